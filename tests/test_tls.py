"""Certificates: made, kept, renewed, or read from a folder."""

import datetime
import logging
import ssl
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service import tls
from service.tls import CHAIN, KEY, CertificateError, open_certificate, own_names

PUBLIC = "https://guide.example:8443/here"


def made(tmp_path, host="127.0.0.1", public_url=PUBLIC) -> x509.Certificate:
    open_certificate("self", tmp_path, host, public_url)
    return x509.load_pem_x509_certificate((tmp_path / "tls" / CHAIN).read_bytes())


def write(folder, days_from: int, days_until: int) -> None:
    """A certificate for the names of this machine, as certbot leaves it, valid between days from today."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([tls._alternative(name) for name in sorted(own_names("127.0.0.1", PUBLIC))])
    now, name = datetime.datetime.now(datetime.timezone.utc), x509.Name([])
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(now + datetime.timedelta(days_from))
                   .not_valid_after(now + datetime.timedelta(days_until)).add_extension(names, critical=False)
                   .sign(key, tls.hashes.SHA256()))
    folder.mkdir(exist_ok=True)
    (folder / CHAIN).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / KEY).write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def test_without_the_setting_there_is_none(tmp_path):
    assert open_certificate("", tmp_path, "127.0.0.1", "") is None and not list(tmp_path.iterdir())


# --- the service's own -----------------------------------------------------------------------------

def test_it_is_made_for_every_name_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(tls.socket, "gethostname", lambda: "kiosk7")
    names = made(tmp_path, "192.0.2.5").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "kiosk7", "guide.example"}
    assert {str(a) for a in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1", "192.0.2.5"}


@pytest.mark.parametrize("host, more", [
    ("0.0.0.0", set()), ("::", set()), ("0:0:0:0:0:0:0:1", set()), ("a.b", {"a.b"})])
def test_an_address_for_all_is_no_name(monkeypatch, host, more):
    monkeypatch.setattr(tls.socket, "gethostname", lambda: "localhost")
    assert own_names(host, "") == {"localhost", "127.0.0.1", "::1"} | more


def test_the_key_is_for_the_service_alone(tmp_path):
    made(tmp_path)
    assert stat.S_IMODE((tmp_path / "tls" / KEY).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    assert {path.name for path in (tmp_path / "tls").iterdir()} == {CHAIN, KEY}


def test_it_lasts_as_long_as_browsers_take(tmp_path):
    certificate = made(tmp_path)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == datetime.timedelta(days=825)


def test_it_is_kept_across_starts(tmp_path):
    assert made(tmp_path) == made(tmp_path)


def test_it_is_made_anew_for_other_names(tmp_path):
    assert made(tmp_path) != made(tmp_path, public_url="https://other.example")


@pytest.mark.parametrize("days_from, days_until", [(-800, 29), (-800, -1), (2, 400)])
def test_it_is_renewed_in_time(tmp_path, days_from, days_until):
    made(tmp_path)
    write(tmp_path / "tls", days_from, days_until)
    renewed = made(tmp_path)
    assert renewed.not_valid_after_utc - renewed.not_valid_before_utc == tls.LASTS


def test_one_that_still_lasts_is_kept(tmp_path):
    write(tmp_path / "tls", -800, 31)
    kept = (tmp_path / "tls" / CHAIN).read_bytes()
    assert made(tmp_path) == x509.load_pem_x509_certificate(kept)


@pytest.mark.parametrize("damage", [
    lambda folder: (folder / KEY).write_bytes(b""), lambda folder: (folder / KEY).unlink(),
    lambda folder: (folder / CHAIN).write_bytes(b"-----BEGIN"),
    lambda folder: write(folder.parent / "other", -1, 90) or (folder.parent / "other" / KEY).replace(folder / KEY)])
def test_what_was_half_written_is_made_anew(tmp_path, damage):
    before = made(tmp_path)
    damage(tmp_path / "tls")
    assert made(tmp_path) != before
    tls.check(tmp_path / "tls")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "tls").write_text("")
    with pytest.raises(CertificateError, match="tls cannot be"):
        made(tmp_path)


# --- a folder --------------------------------------------------------------------------------------

def test_a_folder_of_certbot_is_taken(tmp_path):
    write(tmp_path / "live", -1, 90)
    context = open_certificate(str(tmp_path / "live"), tmp_path, "127.0.0.1", "").context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("break_it, said", [
    (lambda f: (f / CHAIN).unlink(), f"{CHAIN} cannot be read: No such file"),
    (lambda f: (f / KEY).unlink(), f"{KEY} cannot be read"),
    (lambda f: (f / CHAIN).write_text("x"), f"{CHAIN} is no certificate"),
    (lambda f: (f / KEY).write_text("x"), f"{KEY} is no private key"),
    (lambda f: write(f.parent / "b", -1, 90) or (f.parent / "b" / KEY).replace(f / KEY), f"{KEY} is not the key of"),
])
def test_a_folder_that_cannot_be_used_is_refused_in_one_line(tmp_path, break_it, said):
    folder = tmp_path / "live"
    write(folder, -1, 90)
    break_it(folder)
    with pytest.raises(CertificateError, match=said) as refused:
        open_certificate(str(folder), tmp_path, "127.0.0.1", "")
    assert "\n" not in str(refused.value)


def test_a_key_with_a_password_is_refused(tmp_path):
    write(tmp_path, -1, 90)
    key = serialization.load_pem_private_key((tmp_path / KEY).read_bytes(), None)
    (tmp_path / KEY).write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")))
    with pytest.raises(CertificateError, match="without a password"):
        tls.check(tmp_path)


@pytest.mark.parametrize("days_from, days_until, warned", [(-90, -1, True), (1, 90, True), (-1, 1, False)])
def test_one_out_of_date_is_used_with_a_warning(tmp_path, caplog, days_from, days_until, warned):
    write(tmp_path / "live", days_from, days_until)
    with caplog.at_level(logging.WARNING):
        open_certificate(str(tmp_path / "live"), tmp_path, "127.0.0.1", "")
    assert ("browsers refuse it" in caplog.text) == warned


def shown(context: ssl.SSLContext) -> bytes:
    """The certificate that a client of this context is shown, without a network."""
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    answering = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return asking.getpeercert(True)


def test_what_was_renewed_is_taken_up_and_what_was_damaged_is_not(tmp_path, caplog):
    folder = tmp_path / "live"
    write(folder, -1, 30)
    certificate = open_certificate(str(folder), tmp_path, "127.0.0.1", "")
    first = shown(certificate.context)
    write(folder, -1, 90)
    certificate.refresh()
    second = shown(certificate.context)
    (folder / KEY).write_text("half")
    certificate.refresh()
    assert second not in (None, first) and shown(certificate.context) == second
    assert "stays" in caplog.text
