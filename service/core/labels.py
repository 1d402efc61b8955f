"""Labels: what the Classifier and the files of requests call that to which a sentence leads.

A node id (``n_death``), a node and one of its aspects (``n_death#overpaid``), ``!`` and a command, ``#`` and a
key, or ``OUTSIDE``.
"""

from __future__ import annotations

OUTSIDE = "~"
"""Sentences that are not for the guide."""
ASPECT = "#"
"""Between a node and its aspect."""


def of(node: str, aspect: str = "") -> str:
    """The label of a node, or of one of its aspects."""
    return f"{node}{ASPECT}{aspect}" if aspect else node


def is_node(label: str) -> bool:
    """True if the label is that of a node or of an aspect."""
    return label[0] not in "!#~"


def parts(label: str) -> tuple[str, str]:
    """Node id and aspect of such a label; the aspect may be empty."""
    node, _, aspect = label.partition(ASPECT)
    return node, aspect


def whole(label: str) -> str:
    """The label without the aspect."""
    return parts(label)[0] if is_node(label) else label
