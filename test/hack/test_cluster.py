"""The parts of hack/cluster that need no node: its certificates, its images, the versions of its modules."""

from __future__ import annotations

import json
import re
import socket
import ssl
import tarfile
import threading
from pathlib import Path

import pytest

from hack.cluster.certificates import Authority
from hack.cluster.images import Layer, write_archive

HACK = Path(__file__).resolve().parents[2] / "hack"


def greet(folder: Path, kind: str, flags: ssl.VerifyFlags) -> None:
    """Make a TLS connection between a client and a server that such an authority signed."""
    authority = Authority(folder, kind)
    authority.sign("server", "kube-apiserver", hosts=["localhost", "127.0.0.1"])
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(folder / "server.crt", folder / "server.key")
    trusting = ssl.create_default_context(cafile=folder / "ca.crt")
    trusting.verify_flags |= flags

    def serve(end: socket.socket) -> None:
        try:
            serving.wrap_socket(end, server_side=True).close()
        except ssl.SSLError:
            end.close()

    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=serve, args=(theirs,))
    thread.start()
    try:
        trusting.wrap_socket(ours, server_hostname="localhost").close()
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("kind", ["strict", "lax"])
def test_each_authority_is_trusted_by_a_client_that_checks_as_go_does(tmp_path: Path, kind: str) -> None:
    greet(tmp_path, kind, ssl.VerifyFlags.VERIFY_DEFAULT)


def test_the_strict_one_is_trusted_by_a_strict_client(tmp_path: Path) -> None:
    greet(tmp_path, "strict", ssl.VERIFY_X509_STRICT)


def test_the_lax_one_is_what_a_strict_client_refuses(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        greet(tmp_path, "lax", ssl.VERIFY_X509_STRICT)


def an_archive(folder: Path) -> Path:
    layer = Layer(folder / "layer")
    layer.text("etc/greeting", "hello\n")
    layer.file(Path(__file__), "bin/test", links=["bin/link"])
    layer.close()
    write_archive(folder / "image.tar", "docker.io/library/a:1", layer.path, {"Cmd": ["/bin/test"]})
    return folder / "image.tar"


def test_an_archive_names_its_image_and_refers_to_its_blobs_by_their_digests(tmp_path: Path) -> None:
    with tarfile.open(an_archive(tmp_path)) as archive:

        def read(digest: str) -> bytes:
            file = archive.extractfile("blobs/" + digest.replace(":", "/"))
            assert file is not None
            return file.read()

        index = archive.extractfile("index.json")
        assert index is not None
        [described] = json.load(index)["manifests"]
        assert described["annotations"]["io.containerd.image.name"] == "docker.io/library/a:1"
        manifest = json.loads(read(described["digest"]))
        config = json.loads(read(manifest["config"]["digest"]))
        assert config["config"] == {"Cmd": ["/bin/test"]}
        assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
        assert b"hello\n" in read(manifest["layers"][0]["digest"])


def test_the_same_files_make_the_same_image(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    assert an_archive(first).read_bytes() == an_archive(second).read_bytes()


def versions(module: Path) -> dict[str, str]:
    return dict(re.findall(r"^\t([a-z][\w./-]+) (v\S+)", module.read_text(), re.MULTILINE))


def test_the_node_is_compiled_from_the_libraries_of_the_control_plane() -> None:
    node, plane = versions(HACK / "cluster" / "node" / "go.mod"), versions(HACK / "controlplane" / "go.mod")
    # Those in front of `=>` are replaced; what stands there is not used.
    differ = {name for name in node.keys() & plane.keys() if node[name] != plane[name]} - {
        name for name in node if name.startswith("k8s.io/") and node[name] == "v0.0.0"
    }
    assert not differ
    assert node["k8s.io/kubernetes"] == plane["k8s.io/kubernetes"]
