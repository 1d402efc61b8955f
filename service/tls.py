"""TLS: the certificate that the service shows: one that it makes itself, or a folder of certbot's."""

from __future__ import annotations

import datetime
import ipaddress
import logging
import os
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from service.errors import GuideError

log = logging.getLogger(__name__)
SELF = "self"
"""The setting for a certificate of the service's own."""
CHAIN, KEY = "fullchain.pem", "privkey.pem"
"""As certbot names them."""
LASTS = datetime.timedelta(days=825)
"""The longest that browsers take from a private authority."""
RENEW_BEFORE = datetime.timedelta(days=30)
CLOCKS_DIFFER = datetime.timedelta(days=1)
EVERYWHERE = ("0.0.0.0", "::", "")
"""Addresses to bind to that are no machine's name."""


class CertificateError(GuideError):
    """The certificate or its key cannot be used."""

    code = "certificate_unusable"


class Certificate:
    """What the service shows to whoever connects; a file that was renewed is taken up while it runs."""

    def __init__(self, folder: Path, own_names: frozenset[str] | None = None):
        """``own_names``: make the certificate, for these names; None: it is made elsewhere. CertificateError."""
        self._folder, self._names = folder, own_names
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._loaded: bytes | None = None
        self._take()

    def refresh(self) -> None:
        """Renew it if it is time, and take up what has changed; what cannot be used changes nothing."""
        try:
            self._take()
        except CertificateError as e:
            log.error("the certificate in use stays: %s", e)

    def _take(self) -> None:
        if self._names is not None and not _lasts(self._folder, self._names):
            _make(self._folder, self._names)
        certificate = check(self._folder)
        if certificate.fingerprint(hashes.SHA256()) != self._loaded:
            self.context.load_cert_chain(self._folder / CHAIN, self._folder / KEY)
            self._loaded = certificate.fingerprint(hashes.SHA256())


def open_certificate(setting: str, data_dir: Path, host: str, public_url: str) -> Certificate | None:
    """The certificate of the setting TLS; None without one. CertificateError if it cannot be used."""
    if not setting:
        return None
    if setting == SELF:
        return Certificate(data_dir / "tls", own_names(host, public_url))
    return Certificate(Path(setting))


def own_names(host: str, public_url: str) -> frozenset[str]:
    """Names and addresses by which this machine is asked."""
    names = {"localhost", "127.0.0.1", "::1", socket.gethostname(), urlsplit(public_url).hostname or ""}
    return frozenset(str(_alternative(name).value) for name in names | {host} - set(EVERYWHERE)
                     if name and name.isascii())


def check(folder: Path) -> x509.Certificate:
    """The certificate of a folder, if it can be used; CertificateError says what is wrong with which file.

    One that has expired is used, with a warning: a kiosk whose clock is wrong still works for whoever accepts it,
    and a service that does not start works for nobody.
    """
    certificate, key = _certificate(folder / CHAIN), _key(folder / KEY)
    if certificate.public_key() != key.public_key():
        raise CertificateError(f"TLS: {folder / KEY} is not the key of {folder / CHAIN}")
    now = datetime.datetime.now(datetime.timezone.utc)
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        log.warning("the certificate is valid from %s until %s; browsers refuse it now",
                    certificate.not_valid_before_utc.date(), certificate.not_valid_after_utc.date())
    return certificate


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(_read(path))[0]
    except ValueError as e:
        raise CertificateError(f"TLS: {path} is no certificate in PEM form") from e


def _key(path: Path):
    try:
        return serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as e:
        raise CertificateError(f"TLS: {path} is no private key in PEM form without a password") from e


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise CertificateError(f"TLS: {path} cannot be read: {e.strerror}") from e


# --- the service's own ------------------------------------------------------------------------------

def _lasts(folder: Path, names: frozenset[str]) -> bool:
    """True if there is a certificate for exactly these names that lasts a while."""
    try:
        certificate = check(folder)
    except CertificateError:
        return False
    now = datetime.datetime.now(datetime.timezone.utc)
    lasts = certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEW_BEFORE
    return lasts and _names(certificate) == names


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in alternatives}


def _make(folder: Path, names: frozenset[str]) -> None:
    """Write a certificate that is signed with its own key. CertificateError if the folder cannot be written."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / KEY, private)
        _write(folder / CHAIN, _signed(key, names).public_bytes(serialization.Encoding.PEM))
    except OSError as e:
        raise CertificateError(f"TLS: {folder} cannot be written: {e.strerror}") from e
    log.info("made a certificate for %s; browsers take it once %s is imported", ", ".join(sorted(names)),
             folder / CHAIN)


def _signed(key: ec.EllipticCurvePrivateKey, names: frozenset[str]) -> x509.Certificate:
    """RFC 5280, for the use of a server alone."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "voice guide of this machine")])
    now = datetime.datetime.now(datetime.timezone.utc)
    return (x509.CertificateBuilder()
            .subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCKS_DIFFER).not_valid_after(now - CLOCKS_DIFFER + LASTS)
            .add_extension(x509.SubjectAlternativeName([_alternative(n) for n in sorted(names)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256()))


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, data: bytes) -> None:
    """For the owner alone, and never half."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
