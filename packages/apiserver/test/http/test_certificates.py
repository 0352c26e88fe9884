"""TLS files, and other files that hold secrets."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from cryptography import x509

from kubechain_apiserver.http import certificates, kubeconfig
from kubechain_apiserver.http.private_files import write_private

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_files_are_kept_while_they_are_valid(tmp_path: Path) -> None:
    first = certificates.ensure(tmp_path, now=NOW).server.read_bytes()
    assert certificates.ensure(tmp_path, now=NOW + timedelta(days=300)).server.read_bytes() == first


def test_files_are_renewed_before_they_expire(tmp_path: Path) -> None:
    first = certificates.ensure(tmp_path, now=NOW).server.read_bytes()
    assert certificates.ensure(tmp_path, now=NOW + timedelta(days=360)).server.read_bytes() != first


def test_broken_files_are_replaced(tmp_path: Path) -> None:
    files = certificates.ensure(tmp_path, now=NOW)
    files.server.write_text("not a certificate")
    assert isinstance(certificates.ensure(tmp_path, now=NOW).context(), ssl.SSLContext)


def test_the_certificate_is_for_loopback_and_vouched_for(tmp_path: Path) -> None:
    files = certificates.ensure(tmp_path, now=NOW)
    server = x509.load_pem_x509_certificate(files.server.read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "127.0.0.1" in [str(one) for one in names.get_values_for_type(x509.IPAddress)]
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    server.verify_directly_issued_by(x509.load_pem_x509_certificate(files.authority.read_bytes()))


def test_the_key_of_the_authority_is_not_kept(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, now=NOW)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ca.crt", "server.crt", "server.key"]


def test_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    assert mode(certificates.ensure(tmp_path / "tls", now=NOW).key) == 0o600
    write_private(tmp_path / "deep" / "token", b"x")
    assert mode(tmp_path / "deep" / "token") == 0o600
    assert mode(tmp_path / "deep") == 0o700


def test_a_kubeconfig_has_everything_in_it(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    kubeconfig.write(path, kubeconfig.document("https://127.0.0.1:1", authority=b"PEM", token="t"))
    content = yaml.safe_load(path.read_text())
    assert content["current-context"] == "kubechain"
    assert content["clusters"][0]["cluster"] == {"server": "https://127.0.0.1:1", "certificate-authority-data": "UEVN"}
    assert content["users"][0]["user"] == {"token": "t"}
    assert mode(path) == 0o600


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777
