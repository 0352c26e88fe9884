"""Certificate authorities as people make them, and servers whose certificates they sign."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

BASIC = x509.BasicConstraints(ca=True, path_length=None)

AUTHORITIES: Mapping[str, tuple[x509.ExtensionType, ...]] = {
    "openssl req -x509": (BASIC, x509.SubjectKeyIdentifier(b"1" * 20)),
    "only basicConstraints": (BASIC,),
    "a strict one": (
        BASIC,
        x509.SubjectKeyIdentifier(b"1" * 20),
        x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        ),
    ),
}  # fmt: skip
"""The extensions of a CA, by how people come by it."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A server's certificate and its CA, as files.

    Attributes:
        authority: The CA's certificate.
        chain: The server's certificate and key.
    """

    authority: Path
    chain: Path

    def server_side(self) -> ssl.SSLContext:
        """What a server on 127.0.0.1 presents."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.chain)
        return context


def signed(folder: Path, authority: str) -> Signed:
    """Make a CA with the extensions of one of `AUTHORITIES`, and a certificate for 127.0.0.1 that it signs."""
    root, root_key = _named("root"), ec.generate_private_key(ec.SECP256R1())
    made = Signed(folder / "ca.crt", folder / "server.pem")
    ca = _certificate(root, root, root_key.public_key(), AUTHORITIES[authority]).sign(root_key, hashes.SHA256())
    made.authority.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    key = ec.generate_private_key(ec.SECP256R1())
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = _certificate(_named("server"), root, key.public_key(), (address,)).sign(root_key, hashes.SHA256())
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, *form)
    made.chain.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + private)
    return made


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, extensions: tuple[x509.ExtensionType, ...]
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder
