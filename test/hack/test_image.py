"""The Dockerfile as text, what it installs, and how archives are read; test/cluster has the tests of a built image."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hack.cluster.images import Layer, write_archive
from hack.image import archive
from hack.image.build import EPOCH
from hack.image.variants import ROOT, SBOMS, VARIANTS, name_of

LOCKS = sorted((ROOT / "hack" / "image" / "locks").glob("*.txt"))
PLATFORMS = ("x86_64-manylinux_2_36", "aarch64-manylinux_2_36")
PYTHON = "3.13"
NO_NETWORK = ("dns error", "error sending request", "Failed to fetch", "Could not connect")


def versions(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[^]]*\])?==(\S+)", path.read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_has_the_versions_of_the_constraints(lock: Path) -> None:
    constraints = versions(ROOT / "constraints.txt")
    shared = {name: version for name, version in versions(lock).items() if name in constraints}
    assert shared
    assert shared == {name: constraints[name] for name in shared}


def test_whatever_the_manager_requires_is_locked() -> None:
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[^A-Za-z0-9-]", requirement)[0].lower() for requirement in required}
    [lock] = [path for path in LOCKS if path.stem == "kubechain"]
    assert names <= versions(lock).keys()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_there_is_a_wheel_of_every_package_for_each_processor(lock: Path, platform: str, tmp_path: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    chosen = ["--python-platform", platform, "--python-version", PYTHON, "--only-binary", ":all:"]
    command = [uv, "pip", "install", "--dry-run", "--require-hashes", "--target", tmp_path / "target", *chosen]
    done = subprocess.run([*command, "-r", lock], capture_output=True, text=True, check=False, timeout=110)
    if done.returncode and any(words in done.stderr for words in NO_NETWORK):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def test_every_image_to_begin_with_has_a_version_down_to_the_patch() -> None:
    given = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)", dockerfile(), re.MULTILINE))
    assert all(re.search(r":\d+\.\d+\.\d+-", name) for name in given.values())
    stages = re.findall(r"^FROM (\S+) AS (\S+)", dockerfile(), re.MULTILINE)
    named = {name for _, name in stages}
    assert all(base in named or base.strip("${}") in given for base, _ in stages)


def test_the_variants_are_stages_and_the_default_is_the_one_that_the_release_names() -> None:
    stages = re.findall(r"^FROM \S+ AS (\S+)", dockerfile(), re.MULTILINE)
    assert set(VARIANTS) <= set(stages)
    assert stages[-1] == VARIANTS[0]
    release = (ROOT / "config" / "release" / "latest.yaml").read_text()
    assert f"image: {name_of(VARIANTS[0]).removeprefix('docker.io/library/')}\n" in release
    assert len({name_of(variant) for variant in VARIANTS}) == len(VARIANTS)


def test_every_file_has_the_time_that_a_plain_build_gives_it() -> None:
    assert set(re.findall(r"^ARG SOURCE_DATE_EPOCH=(\d+)", dockerfile(), re.MULTILINE)) == {str(EPOCH)}


def test_a_number_is_its_user_and_an_init_its_first_process() -> None:
    assert re.findall(r"^USER (.*)", dockerfile(), re.MULTILINE) == ["65532:65532"]
    assert re.findall(r"^ENTRYPOINT (.*)", dockerfile(), re.MULTILINE) == ['["tini", "--", "kubechain"]']


def test_an_archive_tells_its_configuration_and_its_files(tmp_path: Path) -> None:
    layer = Layer(tmp_path / "layer.tar")
    for name in SBOMS["tools"]:
        layer.text(name, f"list of {name}")
    layer.close()
    write_archive(tmp_path / "image.tar", "docker.io/library/a:1", layer.path, {"User": "1:1"})
    read = archive.read(tmp_path / "image.tar")
    assert read.config["config"] == {"User": "1:1"}
    assert read.digests() == read.config["rootfs"]["diff_ids"]
    assert {entry.name for entry in read.entries()} >= set(SBOMS["tools"])
    made = archive.write_sboms(read, SBOMS["tools"], tmp_path, "image.tar")
    assert [path.name for path in made] == ["image.tar.kubechain.cdx.json", "image.tar.tools.cdx.json"]
    assert made[0].read_text() == f"list of {SBOMS['tools'][0]}"
    with pytest.raises(KeyError):
        read.file("no/such/file")
