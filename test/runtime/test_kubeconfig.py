"""Kubeconfigs as they are found in the world, and pods."""

from __future__ import annotations

import base64
import datetime
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kubechain.runtime import credentials, kubeconfig
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.credentials import Cluster, ConfigError

SERVER = "https://127.0.0.1:6443"


def certificate() -> tuple[bytes, bytes]:
    """Return a self-signed certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "someone")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), private


def document(user: dict[str, Any], cluster: dict[str, Any] | None = None, *, name: str = "it") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": f"{name}-ns"}}],
        "clusters": [{"name": name, "cluster": {"server": SERVER, **(cluster or {})}}],
        "users": [{"name": name, "user": user}],
    }


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(content))
    return path


def load(path: Path, **options: Any) -> Cluster:
    return kubeconfig.load(clock=LoopClock(), path=str(path), **options)


async def test_a_token_is_sent_and_never_shown(tmp_path: Path) -> None:
    cluster = load(write(tmp_path / "config", document({"token": "s3cret"})))
    assert await cluster.authorization() == "Bearer s3cret"
    assert "s3cret" not in repr(cluster)
    assert (cluster.url, cluster.namespace) == (SERVER, "it-ns")
    assert cluster.ssl is not None
    assert cluster.ssl.verify_mode is ssl.CERT_REQUIRED
    assert cluster.ssl.check_hostname


async def test_files_are_found_beside_the_kubeconfig_that_names_them(tmp_path: Path) -> None:
    pem, key = certificate()
    for name, content in (("ca.crt", pem), ("me.crt", pem), ("me.key", key), ("token", b"t0ken\n")):
        (tmp_path / name).write_bytes(content)
    user = {"client-certificate": "me.crt", "client-key": "me.key", "tokenFile": "token"}
    cluster = load(write(tmp_path / "config", document(user, {"certificate-authority": "ca.crt"})))
    assert cluster.ssl is not None
    assert len(cluster.ssl.get_ca_certs()) == 1
    assert await cluster.authorization() == "Bearer t0ken"


def test_data_stands_in_for_files(tmp_path: Path) -> None:
    pem, key = (base64.b64encode(one).decode() for one in certificate())
    user = {"client-certificate-data": pem, "client-key-data": key}
    cluster = load(write(tmp_path / "config", document(user, {"certificate-authority-data": pem})))
    assert cluster.ssl is not None
    assert len(cluster.ssl.get_ca_certs()) == 1


def test_the_rarer_settings_of_a_cluster(tmp_path: Path) -> None:
    settings = {"insecure-skip-tls-verify": True, "tls-server-name": "kube", "proxy-url": "http://127.0.0.1:3128"}
    cluster = load(write(tmp_path / "config", document({}, settings)))
    assert cluster.ssl is not None
    assert cluster.ssl.verify_mode is ssl.CERT_NONE
    assert (cluster.tls_server_name, cluster.proxy_url) == ("kube", "http://127.0.0.1:3128")


def test_of_several_files_the_first_one_counts_and_missing_ones_are_skipped(tmp_path: Path) -> None:
    first = write(tmp_path / "first", document({"token": "1"}, name="one"))
    second = write(tmp_path / "second", document({"token": "2"}, {"server": "https://two:1"}, name="two"))
    environment = {"KUBECONFIG": f"{tmp_path / 'none'}:{first}:{second}"}
    assert kubeconfig.load(clock=LoopClock(), environment=environment).namespace == "one-ns"
    chosen = kubeconfig.load(clock=LoopClock(), environment=environment, context="two")
    assert (chosen.url, chosen.namespace) == ("https://two:1", "two-ns")


PROBLEMS: list[tuple[str, dict[str, Any], str]] = [
    ("no current context", document({}) | {"current-context": ""}, "no current-context"),
    ("a context that is not there", document({}) | {"current-context": "else"}, 'no context "else"'),
    ("a user that is not there", document({}) | {"users": []}, 'no user "it"'),
    ("a cluster without a server", document({}, {"server": ""}), "has no server"),
    ("basic authentication", document({"username": "u", "password": "hunter2"}), "basic authentication"),
    ("a certificate without its key", document({"client-certificate-data": "YQ=="}), "go together"),
    ("data that is not base64", document({}, {"certificate-authority-data": "%"}), "not base64"),
    ("a CA that is none", document({}, {"certificate-authority-data": "YQ=="}), "certificate authority"),
    ("a socks proxy", document({}, {"proxy-url": "socks5://127.0.0.1"}), "only http and https"),
    ("users that are no list", document({}) | {"users": "nobody"}, "users is not a list"),
]


@pytest.mark.parametrize(("content", "said"), [row[1:] for row in PROBLEMS], ids=[row[0] for row in PROBLEMS])
def test_what_is_wrong_is_said(tmp_path: Path, content: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load(write(tmp_path / "config", content))
    assert "hunter2" not in str(caught.value)


def test_a_broken_file_is_named_without_quoting_it(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("users:\n- token: {hunter2\n")
    with pytest.raises(ConfigError, match="not YAML, line") as caught:
        load(tmp_path / "config")
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "config")


async def test_a_pod_finds_its_cluster_and_reads_its_token_again(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(certificate()[0])
    (tmp_path / "namespace").write_text("mine\n")
    (tmp_path / "token").write_text("first")
    clock = LoopClock()
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    cluster = credentials.in_cluster(clock=clock, environment=environment, folder=tmp_path)
    assert (cluster.url, cluster.namespace) == ("https://[fd00::1]:443", "mine")
    (tmp_path / "token").write_text("second")
    assert await cluster.authorization() == "Bearer first"
    await clock.sleep(60)
    assert await cluster.authorization() == "Bearer second"
    (tmp_path / "token").unlink()
    await clock.sleep(60)
    assert await cluster.authorization() == "Bearer second"


def test_the_way_to_a_cluster_never_imports_the_heavy_client() -> None:
    code = (
        "import sys, kubechain.runtime.kubeconfig, kubechain.runtime.http, kubechain.runtime.manager;"
        "sys.exit(any(name.startswith('kubernetes_asyncio') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
