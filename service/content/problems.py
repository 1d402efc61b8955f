"""Problem: one fault of the guide's data, with its place and its remedy."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One fault. ``fault`` and ``remedy`` are Chinese: whoever edits the guide reads them."""

    file: str
    """Path below ``prompts/``."""
    place: str
    """Where in the file: "nodes.m1.options[2]" and, if known, the line."""
    fault: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: {self.fault} → {self.remedy}"

    def to_json(self) -> dict:
        """A plain mapping with the four fields."""
        return asdict(self)
