import functools
import shutil
from pathlib import Path

import pytest

from service.content import check, files
from tests.support import PROMPTS


@pytest.fixture(scope="session", autouse=True)
def unchanged_files_are_read_once():
    """Parsing and the check of form depend on one file's bytes alone, and take most of the time."""
    form, known = check.form_problems, {}

    def form_once(document: files.Document) -> list:
        if id(document) not in known:
            known[id(document)] = document, list(form(document))
        return known[id(document)][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "parse", functools.cache(files.parse))
        patch.setattr(check, "form_problems", form_once)
        yield


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """A copy of the shipped guide that a test may edit."""
    return Path(shutil.copytree(PROMPTS, tmp_path / "prompts", ignore=shutil.ignore_patterns("voices")))
