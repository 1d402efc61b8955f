"""What the program's own text may not have: ways of running what somebody else wrote."""

import ast
import functools
import re
from pathlib import Path
from typing import Iterator

import pytest

from tests.support import ROOT

SERVICE = ROOT / "service"
FORBIDDEN_IMPORTS = {
    "pickle": "runs what it reads", "marshal": "runs what it reads", "shelve": "runs what it reads",
    "dill": "runs what it reads",
    "joblib": "runs what it reads", "xml": "entities", "lxml": "entities", "telnetlib": "no TLS", "ftplib": "no TLS",
    "commands": "a shell", "pty": "a shell"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "os.popen", "tempfile.mktemp", "yaml.unsafe_load",
                   "yaml.full_load",
                   "yaml.load_all", "hashlib.md5", "hashlib.sha1", "Markup", "markupsafe.Markup",
                   "render_template_string",
                   "flask.render_template_string"}
WEAK_CHANCE = ("bench", "faults", "load", "lab", "evaluation")
"""Begin the names of what only measures; everything else takes chance from ``secrets`` or the system."""
CALLS_OUT = {"requests", "urllib.request", "http.client", "httpx", "aiohttp"}
MAY_CALL_OUT = ("speech/model_sources.py", "speech/models.py", "lab/", "bench", "faults", "load", "doctor", "server.py")
"""Models are fetched from the catalog's addresses; the rest calls the service itself. No part calls an address that
came from outside."""
MAY_COMPOSE_SQL = {"care/keeping.py": 2, "store/database.py": 1, "bench_panel.py": 1, "lab/servers.py": 1}
"""Names of our own tables, sequences and settings, which no parameter can stand for."""


def name_of(node: ast.expr) -> str:
    return ast.unparse(node)


def offences(source: str) -> Iterator[str]:
    """What in a module would run, or trust, what came from outside."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"import {n}" for n in names if n.split(".")[0] in FORBIDDEN_IMPORTS)
        elif isinstance(node, ast.Call):
            yield from _calls(node)


def _calls(node: ast.Call) -> Iterator[str]:
    called = name_of(node.func)
    if called in FORBIDDEN_CALLS:
        yield f"call {called}"
    # An empty command wakes up older Windows consoles.
    if called == "os.system" and [ast.unparse(a) for a in node.args] != ["''"]:
        yield "a shell"
    if called == "yaml.load" and not any("Safe" in ast.unparse(k.value) for k in node.keywords if k.arg == "Loader"):
        yield "yaml.load without a safe loader"
    for keyword in node.keywords:
        value = ast.unparse(keyword.value)
        if (keyword.arg, value) in {("shell", "True"), ("verify", "False"), ("autoescape", "False"), ("debug", "True"),
                                    ("check_hostname", "False")}:
            yield f"{keyword.arg}={value}"


def composed_sql(source: str) -> int:
    """How often SQL is put together from pieces."""
    calls = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call) and n.args
             and name_of(n.func) in ("text", "sa.text", "sqlalchemy.text", "exec_driver_sql", "op.execute")]
    return sum(not isinstance(n.args[0], ast.Constant) for n in calls)


def uses(source: str, modules: set[str]) -> bool:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
    return bool(found & modules)


@functools.cache
def sources() -> dict[str, str]:
    return {p.relative_to(SERVICE).as_posix(): p.read_text(encoding="utf-8") for p in SERVICE.rglob("*.py")}


def wrong(found: dict[str, object]) -> dict[str, object]:
    return {name: what for name, what in found.items() if what}


def test_nothing_runs_what_came_from_outside():
    assert len(sources()) > 100
    assert wrong({name: list(offences(source)) for name, source in sources().items()}) == {}


def test_only_what_measures_takes_chance_that_can_be_foreseen():
    assert not [name for name, source in sources().items() if uses(source,
                                                                   {"random"}) and not name.startswith(WEAK_CHANCE)]


def test_nobody_can_make_the_service_call_elsewhere():
    assert not [name for name, source in sources().items() if uses(source,
                                                                   CALLS_OUT) and not name.startswith(MAY_CALL_OUT)]


def test_sql_is_constant_but_for_our_own_names():
    composed = wrong({name: composed_sql(source) for name, source in sources().items() if "migrations" not in name})
    assert composed == MAY_COMPOSE_SQL


@pytest.mark.parametrize("source", [
    "eval(x)", "exec(x)", "import pickle", "from pickle import loads", "import xml.etree.ElementTree", "yaml.load(x)",
    "yaml.load(x, Loader=yaml.Loader)", "subprocess.run(x, shell=True)", "os.system(x)",
    "requests.get(x, verify=False)",
    "Markup(x)", "app.run(debug=True)", "hashlib.md5(x)"])
def test_an_offence_is_seen(source):
    assert list(offences(source))


@pytest.mark.parametrize("source", ["yaml.safe_load(x)",
                                    "yaml.load(x, Loader=getattr(yaml, 'CSafeLoader', yaml.SafeLoader))",
                                    "re.compile(x)", "subprocess.run([x])", "os.system('')", "hashlib.sha256(x)"])
def test_what_is_allowed_is_none(source):
    assert not list(offences(source))


def test_composed_sql_and_calls_elsewhere_are_seen():
    assert composed_sql("text(f'DROP TABLE {x}')") == composed_sql("text('a' + x)") == 1
    assert not composed_sql("text('SELECT :x')")
    assert uses("from urllib.request import urlopen", CALLS_OUT) and not uses("from urllib.parse import urlsplit",
                                                                              CALLS_OUT)


# --- pages -------------------------------------------------------------------------------------------

SCRIPT_SINKS = re.compile(r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|new Function|srcdoc)\b")
UNESCAPED = re.compile(
    r"\|\s*safe\b|autoescape\s+false|<script(?![^>]*\b(?:src=|type=\"application/json\"))[^>]*>|\son\w+=|"
    r"\sstyle=|href=\"javascript:")


def shipped(pattern: str) -> list[Path]:
    return [p for p in (SERVICE / "web").rglob(pattern) if "vendor" not in p.parts]


def test_no_script_makes_markup_of_text():
    assert len(shipped("*.js")) > 10
    assert wrong({p.name: SCRIPT_SINKS.findall(p.read_text(encoding="utf-8")) for p in shipped("*.js")}) == {}


def test_no_template_lets_text_through_unescaped():
    assert len(shipped("*.html")) > 30
    assert wrong({p.name: UNESCAPED.findall(p.read_text(encoding="utf-8")) for p in shipped("*.html")}) == {}


@pytest.mark.parametrize("text", ["{{ x|safe }}", "<script>x</script>", "<a onclick=\"x\">", "<p style=\"x\">",
                                  "{% autoescape false %}"])
def test_such_a_template_would_be_seen(text):
    assert UNESCAPED.search(text)


@pytest.mark.parametrize("text", ["a.innerHTML = b", "eval(a)", "new Function('a')"])
def test_such_a_script_would_be_seen(text):
    assert SCRIPT_SINKS.search(text)
