"""No key, password or token is in any file of the project."""

from pathlib import Path

import pytest
from detect_secrets.core.plugins import initialize
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.settings import transient_settings

from tests.support import ROOT

NOT_USED = ("KeywordDetector", "Base64HighEntropyString", "HexHighEntropyString", "IPPublicDetector")
"""They take names, hashes of recordings and addresses of examples for secrets."""
FOLDERS = ("service", "tests", "deploy", "models", "prompts")
NO_TEXT = {".opus", ".png", ".pyc"}
NOT_READ = {"voices", "sets", "audio", "vendor", "__pycache__", "learnt"}
"""Folders of sentences, hashes and other people's work."""
PLACEHOLDERS = {"PASSWORD", "{PASSWORD}", "%s", "secret", "1", "x", "p4ss%2Fword"}
"""What stands for a password in examples and tests."""
EXAMPLES = {
    "AWS key": "AKIA" + "IOSFODNN7EXAMPLE",
    "private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "token of GitHub": "ghp_" + "a1B2" * 9,
    "password in an address": "postgresql://guide:" + "Tr0ub4dor" + "@db/guide",
    "JSON web token": ".".join(("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0",
                                "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U")),
}
"""Joined here, so that this file has none."""


@pytest.fixture(scope="module")
def finders():
    """The plugins of detect-secrets that know a secret by its form."""
    names = [c.__name__ for c in get_mapping_from_secret_type_to_class().values() if c.__name__ not in NOT_USED]
    with transient_settings({"plugins_used": [{"name": name} for name in names]}):
        yield [initialize.from_plugin_classname(name) for name in names]


def found(finders, text: str) -> list[str]:
    """Every secret in the text, but for what stands for one."""
    return [secret for finder in finders for secret in finder.analyze_string(text) if secret not in PLACEHOLDERS]


def files() -> list[Path]:
    """All that is text and ours, whether it is in git already or not."""
    below = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if not NOT_READ & set(p.parts)]
    models = ROOT / "models"
    return [p for p in (*ROOT.glob("*"), *below) if p.is_file() and p.suffix not in NO_TEXT
            and (p.parent == models or models not in p.parents)]


def test_no_file_has_a_secret(finders):
    read = files()
    assert len(read) > 300
    secrets = {p.relative_to(ROOT).as_posix(): found(finders, p.read_text(encoding="utf-8", errors="replace"))
               for p in read}
    assert {name: hits for name, hits in secrets.items() if hits} == {}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_secret_would_be_seen(finders, kind):
    assert found(finders, f"x = '{EXAMPLES[kind]}'")


def test_what_a_running_service_keeps_never_comes_into_git():
    assert {"data/", ".env", "*.pem", "*.key"} <= set((ROOT / ".gitignore").read_text().splitlines())
