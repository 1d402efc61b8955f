"""Saving: several files at once, all of them or none."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from pathlib import Path
from typing import Mapping

from service.errors import StoreError

log = logging.getLogger(__name__)

NEW_FILE_MODE = 0o644


def save(folder: Path, files: Mapping[str, tuple[str, str]]) -> None:
    """Write each (before, after) by its name below the folder; "" after: the file goes.

    StoreError if one cannot be written; then those that were are put back.
    """
    ready: dict[str, str] = {}
    done: list[str] = []
    try:
        # All are written beside their places first: most of what can fail does so before anything has changed.
        for name, (_, after) in files.items():
            if after:
                ready[name] = _beside(folder / name, after)
        for name, (_, after) in files.items():
            done.append(name)
            _put(folder / name, ready.pop(name, None))
    except OSError as e:
        for name in done:
            _restore(folder / name, files[name][0])
        raise StoreError(f"没有存下来，文件还是原来的：{e.strerror or e}") from e
    finally:
        for left in ready.values():
            with contextlib.suppress(OSError):
                os.unlink(left)


def _beside(path: Path, text: str) -> str:
    """A temporary file in the same folder. Its name does not end with .yaml: nobody takes it for the guide's."""
    mode = path.stat().st_mode & 0o777 if path.exists() else NEW_FILE_MODE
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
    except OSError:
        os.unlink(name)
        raise
    return name


def _put(path: Path, ready: str | None) -> None:
    if ready is None:
        path.unlink(missing_ok=True)
        return
    try:
        os.replace(ready, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(ready)
        raise


def _restore(path: Path, before: str) -> None:
    try:
        if path.is_file() and path.read_bytes() == before.encode("utf-8"):
            return
        _put(path, _beside(path, before) if before else None)
    except OSError:
        log.exception("%s could not be put back", path)
