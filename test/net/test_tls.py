"""Certificate authorities that strict checks refuse are trusted where somebody gave them, on every Python."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from kubechain.net import tls
from test.net.certificates import AUTHORITIES, signed

PYTHON_3_13 = [
    Path(sys.executable) if sys.version_info[:2] == (3, 13) else None,
    *Path("~/.pyenv/versions").expanduser().glob("3.13*/bin/python3.13"),
    Path("/usr/bin/python3.13"),
]

HANDSHAKE = """
import runpy, ssl, sys
client_context = runpy.run_path(sys.argv[1])["client_context"]

def shaken(trusting):
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(sys.argv[3])
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_side.wrap_bio(up, down, server_side=True)
    client = trusting.wrap_bio(down, up, server_hostname="127.0.0.1")
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return client.version()

assert shaken(client_context(ca_file=sys.argv[2]))
assert shaken(client_context(ca_data=open(sys.argv[2]).read()))
"""
"""A handshake between two sides in memory, with the standard library alone."""


@pytest.mark.parametrize("authority", AUTHORITIES)
@pytest.mark.parametrize("python", [Path(sys.executable), *filter(None, PYTHON_3_13)], ids=lambda path: path.name)
def test_a_ca_that_was_given_is_trusted(tmp_path: Path, python: Path, authority: str) -> None:
    if not python.exists():
        pytest.skip("this Python is not installed")
    made = signed(tmp_path, authority)
    paths = [str(path) for path in (tls.__file__, made.authority, made.chain)]
    subprocess.run([python, "-c", HANDSHAKE, *paths], check=True)


def test_the_system_s_certificates_are_checked_in_the_same_way() -> None:
    context = tls.client_context()
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
