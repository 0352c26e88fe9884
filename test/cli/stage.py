"""An API server in this process with fixed objects and a clock that stands still, and commands run against it.

What a command prints is compared with files in `test/cli/golden`, so that every change of it is seen in a diff.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from kubechain.api.crd import custom_resource_definitions
from kubechain.api.kinds import ALL_KINDS
from kubechain.api.meta import GROUP
from kubechain.cli import clusters, main, wallclock
from kubechain.controllers.resources import resource_of
from kubechain.runtime.client import Client
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.errors import TransportError
from kubechain.runtime.transport import Exchange, Reply, WholeReply
from kubechain_apiserver import ControlPlane, SeededEnvironment
from test.views.builders import NOW

KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: laptop, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: ada, user: {}}]
contexts: [{name: laptop, context: {cluster: laptop, user: ada}}]
current-context: laptop
"""

_MERGE = {"content-type": "application/merge-patch+json", "accept": "application/json"}
_CONTROLS = re.compile(r"(\x1b\[[0-9;?]*[A-Za-z]|[\r\n])")
_PATHS = {each.kind: resource_of(each) for each in ALL_KINDS}


class Calendar(SeededEnvironment):
    """A clock that is set to any time."""

    def set(self, moment: datetime) -> None:
        self.advance(moment.timestamp() - self.now())


class Screen(io.TextIOWrapper):
    """A terminal or a pipe, and what was written to it."""

    def __init__(self, columns: int | None, encoding: str = "utf-8") -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding)
        self._is_terminal = columns is not None

    def isatty(self) -> bool:
        return self._is_terminal

    def written(self) -> str:
        self.flush()
        return self.bytes.getvalue().decode(self.encoding, errors="replace")


class Refusing:
    """An API server that forbids a user what is not allowed.

    Attributes:
        allowed: Parts of the paths that may be read.
    """

    def __init__(self, behind: Exchange, allowed: tuple[str, ...]) -> None:
        self._behind, self._allowed = behind, allowed

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        if any(part in target for part in self._allowed):
            return await self._behind.send(method, target, headers=headers, body=body, timeout_seconds=timeout_seconds)
        return WholeReply(403, {}, json.dumps(_forbidden(method, target)).encode())

    def stream(
        self, target: str, *, headers: Mapping[str, str], connect_timeout_seconds: float, idle_timeout_seconds: float
    ) -> Any:
        return self._behind.stream(
            target,
            headers=headers,
            connect_timeout_seconds=connect_timeout_seconds,
            idle_timeout_seconds=idle_timeout_seconds,
        )

    async def aclose(self) -> None:
        await self._behind.aclose()


def _as_seen(text: str) -> list[str]:
    """The lines that a terminal shows in the end: a picture that is drawn again takes the place of the one before."""
    lines, row = [""], 0
    for token in _CONTROLS.split(text):
        match token:
            case "\n":
                row += 1
                lines += [""] * (row == len(lines))
            case "\x1b[1A":
                row -= 1
            case "\x1b[2K":
                lines[row] = ""
            case _ if not _CONTROLS.fullmatch(token):
                lines[row] += token
            case _:
                pass  # colours, and the return to the start of a line that is erased next
    return lines[:-1] if not lines[-1] else lines


def _forbidden(method: str, target: str) -> dict[str, Any]:
    """In the words of kube-apiserver."""
    resource = target.partition("?")[0].split("/namespaces/default/")[-1].split("/")[0]
    verb = {"GET": "list", "PATCH": "patch", "POST": "create"}[method]
    what = f'resource "{resource}" in API group "{GROUP}" in the namespace "default"'
    text = f'{resource}.{GROUP} is forbidden: User "ada" cannot {verb} {what}'
    return {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403,
        "message": text, "details": {"group": GROUP, "kind": resource},
    }  # fmt: skip


@dataclass
class Stage:
    """The API server, and a person's home folder.

    Attributes:
        allowed: What the person may read, by parts of paths; None for all.
        encoding: Of the terminal.
        is_there: Whether anything answers.
        printed: The bytes that the last command wrote.
    """

    folder: Path
    patch: pytest.MonkeyPatch
    plane: ControlPlane
    calendar: Calendar
    allowed: tuple[str, ...] | None = None
    encoding: str = "utf-8"
    environment: dict[str, str] = field(default_factory=dict[str, str])
    is_there: bool = True
    printed: bytes = b""

    def exchange(self, *_server: object, **_more: object) -> Exchange:
        """In place of a connection over HTTP."""
        made = self.plane.exchange(lost=TransportError)
        return made if self.allowed is None else Refusing(made, self.allowed)

    def run(self, line: str, *, columns: int | None = None) -> tuple[int, str]:
        """Run a command; return its exit status, and what it printed on both streams.

        Args:
            line: As it is typed.
            columns: Of the terminal; None for a pipe.
        """
        screen, (_, *arguments) = Screen(columns, self.encoding), shlex.split(line)
        with self.patch.context() as patch:
            for name, value in {"COLUMNS": str(columns or 80), "TERM": "xterm", **self.environment}.items():
                patch.setenv(name, value)
            if self.is_there:
                patch.setattr(clusters, "HttpExchange", self.exchange)
            patch.setattr(wallclock, "now", lambda: NOW)
            patch.setattr(sys, "stdout", screen)
            patch.setattr(sys, "stderr", screen)
            patch.setattr(sys, "argv", ["kubechain"])
            patch.chdir(self.folder)
            status = _status_of(arguments)
        text = screen.written()
        self.printed = screen.bytes.getvalue()
        return status, text

    def shown(self, lines: Iterable[str], columns: int | None) -> str:
        """What a person sees who types these lines one after the other."""
        return "\n".join(self._shown(line, columns) for line in lines)

    def _shown(self, line: str, columns: int | None) -> str:
        status, text = self.run(line, columns=columns)
        plain = "".join(f"{each.rstrip()}\n" for each in _as_seen(text))
        end = f"(exit status {status})\n" if status else ""
        return f"$ {line}\n{plain}{end}"

    def put(self, *objects: Mapping[str, Any]) -> None:
        """Create objects with their status, at the time that each says it was created."""
        asyncio.run(self._put(objects))

    async def _put(self, objects: Iterable[Mapping[str, Any]]) -> None:
        client = Client(self.plane.exchange(lost=TransportError), clock=SystemClock())
        for each in sorted(objects, key=lambda one: one["metadata"].get("creationTimestamp") or ""):
            metadata, resource = each["metadata"], _PATHS[each["kind"]]
            made_at = metadata.get("creationTimestamp")
            self.calendar.set(datetime.fromisoformat(made_at) if made_at else NOW)
            kept = {name: value for name, value in metadata.items() if name in ("name", "labels")}
            manifest = {**each, "metadata": {"namespace": "default", **kept}}
            status = manifest.pop("status", None)
            await client.request("POST", resource.path("default"), body=json.dumps(manifest).encode())
            if status:
                path = f"{resource.path('default', metadata['name'])}/status"
                await client.request("PATCH", path, headers=_MERGE, body=json.dumps({"status": status}).encode())
        self.calendar.set(NOW)


def _status_of(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as exit:
        return int(exit.code or 0)


@contextmanager
def a_stage(folder: Path, *, has_kinds: bool = True) -> Generator[Stage]:
    """A stage without objects."""
    calendar = Calendar(start=NOW.timestamp())
    plane = ControlPlane(environment=calendar)
    for definition in custom_resource_definitions() if has_kinds else ():
        plane.install_crd(definition)
    (folder / "kubeconfig").write_text(KUBECONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_COLOR", "1")
        patch.setenv("TZ", "UTC")
        patch.setenv("KUBECONFIG", str(folder / "kubeconfig"))
        patch.setenv("HOME", str(folder))
        time.tzset()
        for name in [name for name in os.environ if name.startswith("KUBECHAIN_")]:
            patch.delenv(name)
        yield Stage(folder, patch, plane, calendar)
    time.tzset()
    asyncio.run(plane.stop())
