"""Names: of accounts, people and devices, as they are kept."""

from __future__ import annotations

from service.core.redaction import plain
from service.errors import Refused

LONGEST_NAME = 40
"""Characters."""


def usable(name: str) -> str:
    """The name on one plain line; Refused if that is empty or too long."""
    name = plain(name)
    if not 0 < len(name) <= LONGEST_NAME:
        raise Refused("name_unusable")
    return name
