"""What the project is made of: exactly the versions that were chosen, and for each why, and its licence."""

import re
import subprocess
import sys
from importlib import metadata

from tests.support import ROOT

PINNED = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[\w,]+\])?==([0-9][A-Za-z0-9.]*)")
FILES = ("requirements.txt", "requirements-bench.txt")
SOURCES = re.compile(r"^\s*(?:-i|--index-url|--extra-index-url|--find-links|--trusted-host|-e|git\+|https?://)",
                     re.MULTILINE)


def lines(name: str) -> list[str]:
    read = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in read if line.strip() and not line.strip().startswith(("#", "-r"))]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, str]:
    return {canonical(found[1]): found[2] for line in lines(name) if (found := PINNED.fullmatch(line))}


def test_every_requirement_is_of_one_version_and_from_no_other_place():
    for name in FILES:
        assert [line for line in lines(name) if not PINNED.fullmatch(line)] == [], name
        assert not SOURCES.search((ROOT / name).read_text(encoding="utf-8")), name


def test_what_is_installed_is_what_was_chosen():
    wanted = pins("requirements.txt")
    assert len(wanted) > 40
    assert {name: metadata.version(name) for name in wanted} == wanted


def test_what_is_installed_fits_together():
    done = subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "check"], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stdout


def test_each_has_its_reason_and_its_licence_in_the_readme():
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## Dependencies")[1]
    rows = [row.split("|") for row in table.splitlines() if row.startswith("|")]
    named = {canonical(word) for row in rows for word in re.findall(r"[A-Za-z0-9_.-]+", row[1])}
    assert set(pins("requirements.txt")) - named == set()
    assert all(len(row) == 5 and row[2].strip() and row[3].strip() for row in rows)


def test_what_browsers_are_given_is_shipped_and_has_its_licence():
    vendor = ROOT / "service" / "web" / "static" / "vendor"
    scripts = [p for p in vendor.iterdir() if p.suffix == ".js"]
    assert scripts and all(list(vendor.glob(f"{p.name.split('.')[0]}*LICENSE*")) for p in scripts)
    elsewhere = re.compile(r"(?:src|href)=\"(?:https?:)?//")
    pages = (ROOT / "service" / "web").rglob("*.html")
    assert not [p.name for p in pages if elsewhere.search(p.read_text(encoding="utf-8"))]
