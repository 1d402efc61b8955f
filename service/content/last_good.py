"""Last good: a copy of the guide as it was last served, for a start while somebody is in the middle of an edit."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from pathlib import Path

from service.content.files import texts, yaml_files

log = logging.getLogger(__name__)


class LastGood:
    """The copy, in one file. One that is damaged or missing is none."""

    def __init__(self, file: Path):
        self._file = file

    def keep(self, folder: Path, version: str) -> None:
        """Copy a guide that can be used; not again if it is there, and not if it has just been edited again."""
        try:
            if self._read().get("version") == version:
                return
            found, now = texts(folder)
            if now == version:
                self._write(json.dumps({"version": version, "files": found}, ensure_ascii=False))
        except (OSError, UnicodeDecodeError) as e:
            log.warning("no copy of the guide is kept: %s", e)

    def overlay(self, folder: Path) -> dict[str, str]:
        """What makes the guide of a folder the last good one, see ``files.read_documents``; empty without a copy."""
        kept = self._read().get("files", {})
        if not kept:
            return {}
        others = {path.relative_to(folder).as_posix(): "" for path in yaml_files(folder)}
        return {**others, **kept}

    def _read(self) -> dict:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}

    def _write(self, text: str) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._file.parent, delete=False, encoding="utf-8") as file:
            file.write(text)
        # Whole or not at all: the plug may be pulled in between.
        os.replace(file.name, self._file)
