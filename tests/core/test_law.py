"""The law of the core, and the one-way imports of the whole package."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "service"

ALLOWED_IN_CORE = {
    "__future__", "collections", "dataclasses", "datetime", "decimal", "enum", "functools", "itertools", "math", "re",
    "string", "typing", "hassil", "numpy", "pypinyin", "service.core",
}
FORBIDDEN_MODULES = {"time", "random", "secrets", "uuid", "os", "sys", "threading", "logging"}
FORBIDDEN_CALLS = {
    "open", "print", "input", "eval", "exec", "__import__", "datetime.now", "datetime.utcnow",
    "datetime.today", "date.today", "datetime.datetime.now", "datetime.datetime.utcnow",
    "datetime.datetime.today", "datetime.date.today", "np.load", "np.save", "np.fromfile",
}
FORBIDDEN_ROOTS = FORBIDDEN_MODULES | {"np.random", "numpy.random"}

LAYERS = {
    "errors": set(),
    "core": set(),
    "content": {"core", "errors"},
    "speech": {"core", "errors"},
    "store": {"errors"},
    "care": {"content", "core", "errors", "store"},
    "cards": {"core", "errors"},
    "sharing": {"core", "errors", "speech"},
    "monitoring": {"errors", "store"},
    "talks": {"care", "content", "core", "errors", "monitoring", "sharing", "speech", "store"},
    "fitting": {"core", "errors"},
    "listening": {"core", "errors", "speech", "talks"},
    "settings": {"errors", "speech"},
    "web": {"cards", "care", "content", "core", "errors", "listening", "monitoring", "speech", "talks"},
    "app": {"admission", "cards", "sharing", "care", "content", "core", "errors", "fitting", "listening", "monitoring", "settings", "speech", "store", "talks", "web"},
    "admission": {"errors"},
    "lab": {"errors", "settings", "store", "tls"},
    "tls": {"errors"},
    "server": {"app", "care", "errors", "settings", "tls", "web"},
    "commands": {"app", "care", "content", "core", "errors", "listening", "settings", "speech", "store", "talks",
                 "voices"},
    "voices": {"app", "content", "core", "errors", "settings", "speech"},
    "doctor": {"app", "care", "content", "core", "errors", "monitoring", "settings", "speech", "store", "tls", "voices",
               "web"},
    "terminal": {"app", "care", "content", "core", "errors", "listening", "settings", "speech", "talks"},
    "bench": {"app", "content", "core", "errors", "lab", "listening", "settings", "speech", "store",
              "talks"},
    "faults": {"bench", "core", "errors", "lab", "settings", "speech", "store"},
    "bench_voices": {"app", "bench", "content", "core", "errors", "settings", "speech"},
    "evaluation": {"app", "content", "core", "errors", "listening", "settings", "speech", "talks"},
    "bench_listening": {"app", "bench", "content", "core", "errors", "evaluation", "listening", "settings", "speech",
                        "talks"},
    "bench_panel": {"app", "bench", "care", "core", "errors", "settings", "store"},
    "fuzzing": {"app", "content", "core", "errors", "settings", "speech", "web"},
    "bench_calculators": {"app", "bench", "core", "errors", "evaluation", "listening", "settings", "speech", "talks"},
    "bench_load": {"app", "bench", "bench_listening", "errors", "lab", "settings", "speech"},
    "bench_soak": {"app", "bench", "bench_load", "errors", "lab", "settings"},
    "__main__": {"bench_load", "bench_soak", "bench_calculators", "bench_panel", "app", "bench", "bench_listening", "bench_voices", "commands", "content", "doctor", "errors", "evaluation", "faults", "fuzzing", "server", "settings", "speech", "terminal",
                 "voices"},
}
"""Layer to the layers that it may import; within a layer everything may."""


def imports(source: str) -> set[str]:
    """Dotted names of everything that a module imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
    return found


def is_within(name: str, modules: set[str]) -> bool:
    return any(name == m or name.startswith(f"{m}.") for m in modules)


def core_offences(source: str) -> list[str]:
    """What in the source of a core module breaks the law of the core."""
    offences = [f"import {name}" for name in imports(source) if not is_within(name, ALLOWED_IN_CORE)]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in FORBIDDEN_CALLS:
            offences.append(f"call {ast.unparse(node.func)}")
        if isinstance(node, (ast.Attribute, ast.Name)) and is_within(ast.unparse(node), FORBIDDEN_ROOTS):
            offences.append(f"use {ast.unparse(node)}")
    return offences


def layer_offences(layer: str, source: str) -> list[str]:
    """Imports of the package that the layer of this source may not make."""
    allowed, offences = LAYERS[layer] | {layer}, []
    for name in imports(source):
        parts = name.split(".")
        if name.startswith("."):
            offences.append(f"relative import {name}")
        elif parts[0] == "service" and "".join(parts[1:2]) not in allowed:
            offences.append(f"{layer} imports {name}")
    return offences


def modules() -> list[tuple[str, Path]]:
    """(layer, file) of every module."""
    files = [p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py"]
    return [(p.relative_to(PACKAGE).parts[0].removesuffix(".py"), p) for p in files]


# --- the package as it is -----------------------------------------------------------------------

@pytest.mark.parametrize("path", sorted((PACKAGE / "core").glob("*.py")), ids=lambda p: p.name)
def test_core_is_pure(path):
    assert core_offences(path.read_text(encoding="utf-8")) == []


def test_every_module_has_a_layer():
    assert {layer for layer, _ in modules()} <= LAYERS.keys()


def test_imports_go_one_way():
    offences = {str(path): layer_offences(layer, path.read_text(encoding="utf-8"))
                for layer, path in modules()}
    assert {path: found for path, found in offences.items() if found} == {}


def test_the_table_itself_has_no_circle():
    left = dict(LAYERS)
    while left:
        free = {layer for layer, below in left.items() if not below & left.keys()}
        assert free, f"a circle among {sorted(left)}"
        left = {layer: below for layer, below in left.items() if layer not in free}


# --- the checkers would notice --------------------------------------------------------------------

@pytest.mark.parametrize("source", [
    "import time", "import os.path", "from pathlib import Path", "import random", "import logging",
    "import vosk", "from flask import Flask", "import sqlalchemy as sa", "from service import errors",
    "from service.content import check", "from service.corelike import x", "from . import model",
    "from .. import errors",
    "def f():\n    import threading",
    "import datetime\nnow = datetime.datetime.now()",
    "import datetime\ntoday = datetime.date.today()",
    "text = open('a').read()",
    "import numpy as np\nx = np.random.default_rng()",
])
def test_an_offence_against_the_core_is_seen(source):
    assert core_offences(source)


@pytest.mark.parametrize("source", [
    "import datetime\nday = datetime.date(2026, 1, 1)", "from service.core.model import Guide",
    "from service.core import model", "import numpy as np\nx = np.zeros(3)", "opened = 'open'",
    "import re\nfrom typing import Iterable",
])
def test_what_is_allowed_in_the_core_is_no_offence(source):
    assert core_offences(source) == []


@pytest.mark.parametrize("layer, source", [
    ("core", "from service.errors import GuideError"), ("errors", "from service.core import model"),
    ("content", "from service.speech.voice import Voice"), ("store", "from service.core import dialog"),
    ("speech", "def f():\n    from service.talks import Talks"), ("talks", "import service.web.api"),
    ("talks", "from service import settings"), ("listening", "from service.web.socket import attach"),
    ("web", "from service.store.talks import TalkStore"), ("app", "from service import server"),
    ("web", "from .api import PREFIX"),
])
def test_an_import_upwards_is_seen(layer, source):
    assert layer_offences(layer, source)
