"""What every test may use: the shipped guide, loaded and compiled once."""

import pytest

from service.core.model import Guide
from service.core.understanding import Understanding
from tests import support


@pytest.fixture(scope="session")
def guide() -> Guide:
    """The shipped guide."""
    return support.guide()


@pytest.fixture(scope="session")
def understanding() -> Understanding:
    """Its phrases, compiled."""
    return support.edition().understanding
