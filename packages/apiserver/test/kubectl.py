"""The real kubectl against a control plane of one's own: the judge of the embedded API server.

Used by `test_kubectl_*`. Each plane is fresh and in memory, has the kind Task, and takes a few milliseconds to start.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kubechain_apiserver.controlplane import ControlPlane
from kubechain_apiserver.store.environment import SystemEnvironment
from packages.apiserver.test.resources import a_crd

PROGRAM = shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(PROGRAM is None, reason="kubectl is not installed")
LIMIT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Result:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


class Kubectl:
    """Runs kubectl, and puts objects there without it."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane = plane
        self.folder = folder
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "KUBECONFIG": str(plane.kubeconfig_path),
        }

    async def __call__(self, command: str, *, stdin: str = "", **env: str) -> Result:
        """Run `kubectl <command>`; quotes group as in a shell."""
        process = await self.begin(command, **env)
        async with asyncio.timeout(LIMIT_SECONDS):
            out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return Result(process.returncode, out.decode(), err.decode())

    async def begin(self, command: str, **env: str) -> asyncio.subprocess.Process:
        """Start a command that goes on by itself, such as a watch."""
        assert PROGRAM is not None
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            PROGRAM,
            *shlex.split(command),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env={**self._env, **env},
            cwd=self.folder,
        )

    def put(self, resource: str, obj: dict[str, Any], *, status: dict[str, Any] | None = None) -> None:
        """Create an object in the namespace `default`, with a status if one is given."""
        info = next(i for i in self.plane.engine.registry.all() if i.plural == resource)
        made = self.plane.engine.create(info, "default" if info.namespaced else "", obj)
        if status is not None:
            name = made["metadata"]["name"]
            self.plane.engine.update(info, "default", name, {**made, "status": status}, subresource="status")

    def set_status(self, name: str, status: dict[str, Any]) -> None:
        """Write the status of a Task."""
        info = self.plane.engine.registry.find("g.io", "v1", "tasks")
        assert info is not None
        current = self.plane.engine.get(info, "default", name)
        self.plane.engine.update(info, "default", name, {**current, "status": status}, subresource="status")


class FixedEnvironment(SystemEnvironment):
    """A clock that stands still, so that ages are the same in each run."""

    def __init__(self) -> None:
        super().__init__()
        self.time = super().now()

    def now(self) -> float:
        return self.time


@asynccontextmanager
async def a_plane(folder: Path) -> AsyncGenerator[Kubectl]:
    """Start a control plane with the kind Task."""
    async with ControlPlane(environment=FixedEnvironment()) as plane:
        plane.install_crd(a_crd())
        yield Kubectl(plane, folder)


def a_task(name: str, **labels: str) -> dict[str, Any]:
    """Return a Task."""
    metadata: dict[str, Any] = {"name": name, "namespace": "default"}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": "g.io/v1", "kind": "Task", "metadata": metadata, "spec": {"message": f"say {name}"}}


def a_config_map(name: str, **data: str) -> dict[str, Any]:
    """Return a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}
