"""The sets of sentences and recordings by which understanding is tuned and measured.

    <sets>/<split>/requests_*.yaml   requests: node: [{text, kind, also, aspect}]
    <sets>/<split>/commands.yaml     commands: name: [{text, kind}]
    <sets>/<split>/outside*.yaml     outside: [{text, kind}]
    <sets>/<split>/follow_ups.yaml   follow_ups: [{topic, text, node, aspect}]
    <sets>/<split>/recordings/       recordings.yaml and <id>.opus of some of them

The two splits are written by different hands and share no sentence and no voice. Nothing of the
measuring split may be used to choose or to learn anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from service.core.model import HELP, ROOT
from service.core.labels import OUTSIDE, whole
from service.errors import GuideError

TUNE, MEASURE = "tune", "measure"
SPLITS = (TUNE, MEASURE)


class SetsError(GuideError):
    """The sets cannot be used."""


@dataclass(frozen=True)
class Item:
    """One sentence with what it means."""

    text: str
    label: str
    """A node id, !command, or ~ for what is not for the guide."""
    also: tuple[str, ...]
    """Nodes that are as right."""
    kind: str
    """short, plain, detail, story, long or follow-up."""
    aspect: str = ""
    """What of the node is asked for; empty: the node as such, or it does not matter."""
    topic: str = ""
    """Node that was told just before; empty: nothing was."""
    recording: Path | None = None
    voice: str = ""
    speed: float = 1.0
    accent: str = "none"

    @property
    def group(self) -> str:
        """requests, commands or outside."""
        return {"!": "commands", OUTSIDE: "outside"}.get(self.label[0], "requests")

    def wants(self, label: str) -> bool:
        """True if the label is a right answer."""
        # To ask for the main menu and to be told to go there is the same.
        return whole(label) in (self.label, *self.also) or (self.label, label) == (ROOT, "!top")


def read(folder: Path, split: str) -> list[Item]:
    """All sentences of a split; SetsError if a file is missing or is not of the form."""
    try:
        items = []
        for path in sorted((folder / split).glob("requests_*.yaml")):
            for node, rows in _yaml(path)["requests"].items():
                items += [_item(row, node) for row in rows]
        for name, rows in _yaml(folder / split / "commands.yaml")["commands"].items():
            items += [_item(row, HELP if name == "help" else f"!{name}") for row in rows]
        for path in sorted((folder / split).glob("outside*.yaml")):
            items += [_item(row, OUTSIDE) for row in _yaml(path)["outside"]]
        return items
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as e:
        raise SetsError(f"the {split} set in {folder.name} cannot be read: {type(e).__name__}: {e}") from e


def read_recordings(folder: Path, split: str) -> list[Item]:
    """The sentences of a split that are recorded, each with its recording."""
    below, said = folder / split / "recordings", {item.text: item for item in read(folder, split)}
    try:
        rows = _yaml(below / "recordings.yaml")["recordings"]
        return [replace(said[row["text"]], recording=below / f"{row['id']}.opus", voice=row["voice"],
                        speed=row["speed"], accent=row.get("accent", "none")) for row in rows]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as e:
        raise SetsError(f"the recordings of {split} cannot be used: {type(e).__name__}: {e}") from e


def read_follow_ups(folder: Path, split: str) -> list[Item]:
    """What is said behind a topic that was just told. SetsError as ``read``."""
    path = folder / split / "follow_ups.yaml"
    try:
        return [replace(_item({"kind": "follow-up", **row}, row["node"]), topic=row["topic"])
                for row in _yaml(path)["follow_ups"]]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as e:
        raise SetsError(f"the follow-ups of {split} cannot be used: {type(e).__name__}: {e}") from e


def _item(row: dict, label: str) -> Item:
    return Item(row["text"], label, tuple(row.get("also", ())), row["kind"], aspect=row.get("aspect", ""))


def _yaml(path: Path) -> dict:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
