"""What every test may use: the shipped guide, loaded and compiled once."""

from pathlib import Path

import pytest

from service.content.check import load
from service.core.model import Guide
from service.core.understanding import Understanding

PROMPTS = Path(__file__).resolve().parent.parent / "prompts"


@pytest.fixture(scope="session")
def guide() -> Guide:
    """The shipped guide."""
    loaded, problems = load(PROMPTS)
    assert loaded, problems
    return loaded


@pytest.fixture(scope="session")
def understanding(guide: Guide) -> Understanding:
    """Its phrases, compiled; takes about two seconds."""
    return Understanding(guide)
