"""The bridge as a process on loopback, as it runs in the Pod of a server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
from pydantic import SecretStr

from kubechain.mcp.model import ServerSpec
from test.registry import CACHE

SOURCE = Path(__file__).resolve().parents[2] / "packages" / "mcp-bridge"
TOKEN = "t0ken-of-the-bridge"
START_SECONDS = 20

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed: the bridge is not built")


@cache
def program() -> Path:
    """Build the bridge as the image does."""
    built = CACHE / "mcp-bridge" / "kubechain-mcp-bridge"
    built.parent.mkdir(parents=True, exist_ok=True)
    command = ["go", "build", "-trimpath", "-o", str(built), "."]
    subprocess.run(command, cwd=SOURCE, env=os.environ | {"CGO_ENABLED": "0", "GOFLAGS": ""}, check=True)
    return built


@dataclass(frozen=True, slots=True)
class Bridge:
    """A running bridge.

    Attributes:
        spec: How the manager reaches it.
    """

    process: subprocess.Popen[bytes]
    url: str
    spec: ServerSpec

    def stop(self) -> int:
        """End it as kubelet does; return its exit code."""
        self.process.terminate()
        return self.process.wait(START_SECONDS)


@contextmanager
def bridging(stdio: ServerSpec, folder: Path, *flags: str) -> Generator[Bridge]:
    """Run the bridge of a server until the block ends."""
    token_file = folder / "token"
    token_file.write_text(f"{TOKEN}\n")
    port = free_port()
    own = ["serve", f"--address=127.0.0.1:{port}", f"--token-file={token_file}", *flags, "--"]
    given = {name: value.get_secret_value() for name, value in stdio.env.items()}
    process = subprocess.Popen([program(), *own, stdio.command, *stdio.args], env=os.environ | given)
    url = f"http://127.0.0.1:{port}"
    headers = {"Authorization": SecretStr(f"Bearer {TOKEN}")}
    spec = replace(
        stdio, transport="http", command="", args=(), env={}, url=f"{url}/mcp", headers=headers, is_bridged=True
    )
    try:
        _await_health(url)
        yield Bridge(process, url, spec)
    finally:
        process.kill()
        process.wait()


def _await_health(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/healthz") as reply:
                assert reply.status == 200
                return
        except OSError:
            assert time.monotonic() < deadline, "the bridge does not answer"


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
