"""Secrets: tokens and codes are made here, and only their hashes are kept."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from service.errors import StoreError

CODE_DIGITS = 6
KEY_BYTES = 32


class Secrets:
    """Makes and hashes tokens and codes with a key that is in no database and in no backup."""

    def __init__(self, key: bytes):
        self.key = key

    @staticmethod
    def token() -> str:
        """256 random bits for a cookie or a link."""
        return secrets.token_urlsafe(32)

    @staticmethod
    def code() -> str:
        """Six random digits that can be read aloud."""
        return f"{secrets.randbelow(10 ** CODE_DIGITS):0{CODE_DIGITS}d}"

    def hashed(self, secret: str) -> str:
        """HMAC-SHA256 in hexadecimal. Keyed, because a code of six digits is found by trying where the
        plain hash is known."""
        return hmac.new(self.key, secret.encode(), hashlib.sha256).hexdigest()


def load_key(path: Path) -> bytes:
    """The key of a file, which is made, for its owner alone, where it is missing; StoreError if neither works."""
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
                new.write(secrets.token_bytes(KEY_BYTES))
        except FileExistsError:
            pass
        key = path.read_bytes()
    except OSError as e:
        raise StoreError(f"the secret key cannot be read: {e.strerror}") from e
    if len(key) < KEY_BYTES:
        raise StoreError("the file of the secret key is damaged")
    return key
