"""The whole control plane: what survives a restart, and what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kubechain_apiserver.controlplane import ControlPlane
from kubechain_apiserver.wire.errors import StatusError
from packages.apiserver.test.resources import a_crd

TASK: dict[str, Any] = {
    "apiVersion": "g.io/v1",
    "kind": "Task",
    "metadata": {"name": "a"},
    "spec": {"message": "x"},
}


def task_of(plane: ControlPlane) -> dict[str, Any]:
    info = plane.engine.registry.find("g.io", "v1", "tasks")
    assert info is not None
    return plane.engine.get(info, "default", "a")


def make_task(plane: ControlPlane) -> None:
    info = plane.engine.registry.find("g.io", "v1", "tasks")
    assert info is not None
    plane.engine.create(info, "default", TASK)


async def test_objects_and_credentials_survive_a_restart(tmp_path: Path) -> None:
    async with ControlPlane(tmp_path) as plane:
        plane.install_crd(a_crd())
        make_task(plane)
        made, first = task_of(plane), yaml.safe_load(plane.kubeconfig_path.read_text())
    async with ControlPlane(tmp_path) as plane:
        assert task_of(plane) == made
        second = yaml.safe_load(plane.kubeconfig_path.read_text())
    assert second["users"] == first["users"]
    authorities = [config["clusters"][0]["cluster"]["certificate-authority-data"] for config in (first, second)]
    assert authorities[0] == authorities[1]


async def test_memory_leaves_nothing_behind() -> None:
    async with ControlPlane() as plane:
        folder = plane.folder
        assert plane.kubeconfig_path.exists()
    assert not folder.exists()


async def test_a_definition_is_installed_once_and_then_updated() -> None:
    async with ControlPlane() as plane:
        first = plane.install_crd(a_crd())
        assert plane.install_crd(a_crd())["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        changed = a_crd()
        changed["spec"]["names"]["shortNames"] = ["tk", "tsk"]
        assert plane.install_crd(changed)["metadata"]["uid"] == first["metadata"]["uid"]
        info = plane.engine.registry.find("g.io", "v1", "tasks")
        assert info is not None
        assert info.short_names == ("tk", "tsk")


async def test_a_definition_that_is_wrong_is_refused() -> None:
    async with ControlPlane() as plane:
        broken = a_crd()
        broken["spec"]["versions"] = []
        with pytest.raises(StatusError):
            plane.install_crd(broken)
        plane.install_crd(a_crd())
        with pytest.raises(StatusError):
            plane.install_crd(broken)


async def test_secrets_of_the_folder_are_for_their_owner_only(tmp_path: Path) -> None:
    async with ControlPlane(tmp_path / "data") as plane:
        private = [plane.kubeconfig_path, plane.folder / "token", plane.folder / "tls" / "server.key"]
        assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
        assert plane.folder.stat().st_mode & 0o077 == 0
        stored = [path.stat().st_mode & 0o777 for path in plane.folder.glob("objects.sqlite*")]
        assert set(stored) == {0o600}


async def test_stopping_twice_is_fine(tmp_path: Path) -> None:
    plane = ControlPlane(tmp_path)
    await plane.start()
    await plane.stop()
    await plane.stop()
