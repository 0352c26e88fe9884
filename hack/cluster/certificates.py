"""The certificates of a node, by a CA as strict clients want it or as `openssl req -x509` makes it."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

AUTHORITIES = ("strict", "lax")
"""strict: every extension that RFC 5280 wants. lax: none but basicConstraints and the subject's key identifier."""

LIFETIME = datetime.timedelta(days=30)


class Authority:
    """A CA, whose certificate is `ca.crt` in a folder, and what it signs beside it."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder = folder
        self._is_strict = kind == "strict"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("kubernetes")
        public = self._key.public_key()
        builder = _begun(self._name, self._name, public).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        if self._is_strict:
            builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write("ca", builder, None)

    def sign(self, file: str, name: str, *, group: str = "", hosts: Sequence[str] = ()) -> None:
        """Make a key and a certificate, as `<file>.key` and `<file>.crt`.

        Args:
            file: Without suffix.
            name: The user that a client is, or the name of a server.
            group: Of the user.
            hosts: Names and addresses of a server.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _begun(_name(name, group), self._name, key.public_key())
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
            )
        if self._is_strict:
            builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
            issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
            builder = builder.add_extension(issuer, critical=False)
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        self._write(file, builder, key)

    def _write(self, file: str, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey | None) -> None:
        certificate = builder.sign(self._key, hashes.SHA256())
        (self._folder / f"{file}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        if key is not None:
            write_key(self._folder / f"{file}.key", key)


def write_key(path: Path, key: ec.EllipticCurvePrivateKey | None = None) -> None:
    """Write a private key, a new one unless it is given, readable by its owner only."""
    made = key or ec.generate_private_key(ec.SECP256R1())
    path.touch(mode=0o600)
    form = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    path.write_bytes(made.private_bytes(serialization.Encoding.PEM, *form))


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
    )


def _name(name: str, group: str = "") -> x509.Name:
    of_group = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*of_group, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
