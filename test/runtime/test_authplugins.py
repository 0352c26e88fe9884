"""Credentials from an exec plugin, which is a real program."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from kubechain.runtime import kubeconfig
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.credentials import ConfigError
from kubechain.runtime.errors import TransportError
from kubechain.runtime.http import HttpExchange

REAL_TIME = True


def config(tmp_path: Path, program: str) -> Path:
    exec_config = {
        "apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": ["-c", program],
        "interactiveMode": "Never",
    }  # fmt: skip
    document = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "it", "user": {"exec": exec_config}}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(document))
    return path


async def test_a_plugin_is_asked_once_until_its_token_expires(tmp_path: Path) -> None:
    count = tmp_path / "count"
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": "from-plugin", "expirationTimestamp": "2999-01-01T00:00:00Z"},
    }  # fmt: skip
    program = f"open({str(count)!r}, 'a').write('x'); print({json.dumps(json.dumps(answer))})"
    cluster = kubeconfig.load(clock=SystemClock(), path=str(config(tmp_path, program)))
    assert await cluster.authorization() == "Bearer from-plugin"
    assert await cluster.authorization() == "Bearer from-plugin"
    assert count.read_text() == "x"


async def test_a_plugin_that_fails_says_so(tmp_path: Path) -> None:
    cluster = kubeconfig.load(clock=SystemClock(), path=str(config(tmp_path, "raise SystemExit('log in first')")))
    with pytest.raises(ConfigError, match="log in first"):
        await cluster.authorization()


async def test_a_plugin_that_fails_is_a_request_that_failed(tmp_path: Path) -> None:
    cluster = kubeconfig.load(clock=SystemClock(), path=str(config(tmp_path, "raise SystemExit('log in first')")))
    http = HttpExchange(cluster, user_agent="test")
    with pytest.raises(TransportError, match="log in first"):
        await http.send("GET", "/", headers={}, body=None, timeout_seconds=5)
    await http.aclose()
