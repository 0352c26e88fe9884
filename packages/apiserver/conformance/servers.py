"""The two servers, each as what a client needs to know of it.

Used by `runner`, from pytest and from the command line. Both are processes of their own, on loopback, with nothing in
them but the kinds of `cases.kinds`.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from packages.apiserver.conformance.steps import Json
from test.e2e.controlplane import RealControlPlane

ServerName = Literal["embedded", "real"]
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    warnings: list[str]
    body: bytes


@dataclass(slots=True)
class Server:
    """An API server, and one connection to it.

    Attributes:
        folder: For kubectl's cache.
    """

    name: ServerName
    kubeconfig: Path
    folder: Path
    connection: http.client.HTTPSConnection = field(init=False)
    token: str = field(init=False)

    def __post_init__(self) -> None:
        config: dict[str, Any] = yaml.safe_load(self.kubeconfig.read_text())
        self.token = config["users"][0]["user"]["token"]
        self.connection = self.connect()

    def connect(self) -> http.client.HTTPSConnection:
        """A new connection, such as a watch needs."""
        config: dict[str, Any] = yaml.safe_load(self.kubeconfig.read_text())
        host = str(config["clusters"][0]["cluster"]["server"]).partition("//")[2]
        # Certificates are the business of other tests, which use kubectl with this kubeconfig.
        context = ssl._create_unverified_context()  # pyright: ignore[reportPrivateUsage]
        return http.client.HTTPSConnection(host, context=context, timeout=TIMEOUT_SECONDS)

    def headers(self, more: Mapping[str, str]) -> dict[str, str]:
        """The headers of a request."""
        return {"authorization": f"Bearer {self.token}", "user-agent": "tester/1", "accept": "application/json", **more}

    def ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Send a request and return the answer."""
        self.connection.request(method, path, body=body, headers=self.headers(headers))
        response = self.connection.getresponse()
        data = response.read()
        warnings = [part for line in response.headers.get_all("warning") or [] for part in _warnings(line)]
        return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, sorted(warnings), data)

    def environment(self) -> dict[str, str]:
        """In which kubectl speaks to this server."""
        home = self.folder / "home"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "KUBECACHEDIR": str(home / self.name),
            "KUBECONFIG": str(self.kubeconfig),
        }

    def install(self, definitions: list[Json]) -> None:
        """Create CRDs and wait until they are served."""
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        for definition in definitions:
            made = self.ask("POST", path, json.dumps(definition).encode(), {"content-type": "application/json"})
            assert made.status in {201, 409}, made.body
        for definition in definitions:
            group, plural = definition["spec"]["group"], definition["spec"]["names"]["plural"]
            for version in definition["spec"]["versions"]:
                while self.ask("GET", f"/apis/{group}/{version['name']}/{plural}", None, {}).status != 200:
                    pass


def _warnings(line: str) -> list[str]:
    """The warnings of one header line: several may share it."""
    return re.findall(r'299 - "(?:[^"\\]|\\.)*"', line)


@contextlib.contextmanager
def embedded(folder: Path) -> Generator[Server]:
    """The embedded server, in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "kubechain_apiserver", f"--kubeconfig={folder / 'kubeconfig'}"]
    log = folder / "embedded.log"
    with log.open("wb") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline(), log.read_text()
            yield Server("embedded", folder / "kubeconfig", folder)
        finally:
            process.terminate()


@contextlib.contextmanager
def real(folder: Path, definitions: list[Json]) -> Generator[Server]:
    """kube-apiserver with etcd and the garbage collector, which has seen these kinds."""
    with RealControlPlane(folder) as plane:
        server = Server("real", plane.kubeconfig, folder)
        with contextlib.closing(server.connection):
            server.install(definitions)
            plane.rediscover()
            yield server


@contextlib.contextmanager
def running(name: ServerName, folder: Path, definitions: list[Json]) -> Generator[Server]:
    """A server by name, with these kinds."""
    if name == "real":
        with real(folder, definitions) as server:
            yield server
        return
    with embedded(folder) as server, contextlib.closing(server.connection):
        server.install(definitions)
        yield server


def kubectls() -> dict[str, str]:
    """The kubectl programs of this machine, by minor version: the installed one, and the newest if it was built."""
    found = [shutil.which("kubectl"), _built_kubectl()]
    return {_minor_version(program): program for program in found if program}


def _built_kubectl() -> str | None:
    """The kubectl that hack/controlplane built; only building tells which of several is current: the last one then."""
    cache = os.environ.get("KUBECHAIN_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "kubechain"
    )
    built = sorted(Path(cache, "controlplane").glob("*/kubectl"), key=lambda path: path.stat().st_mtime)
    return str(built[-1]) if built else None


def _minor_version(program: str) -> str:
    said = subprocess.run([program, "version", "--client", "-o", "json"], capture_output=True, check=True)
    version: str = json.loads(said.stdout)["clientVersion"]["gitVersion"]
    return ".".join(version.removeprefix("v").split(".")[:2])
