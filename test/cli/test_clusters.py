"""A cluster that a command cannot use is told in one line, with the server and the file that names it."""

from __future__ import annotations

import argparse
import asyncio
import re
from pathlib import Path

import pytest

from kubechain.cli import clusters, main
from kubechain.cli.clusters import Place
from kubechain.cli.terminal import Failure
from kubechain.runtime.errors import Forbidden
from test.e2e.processes import free_port

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: away
clusters: [{name: away, cluster: {server: "http://127.0.0.1:PORT"}}]
users: [{name: me, user: {}}]
contexts: [{name: away, context: {cluster: away, user: me}}]
"""

COMMANDS = ["get", "get --watch", "top", "top --watch", "watch hello-1", "logs hello-1", "pending", "explain hello-1"]


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """Of a server that is not there."""
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG.replace("PORT", str(free_port())))
    return path


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubechain.runtime.client.ATTEMPTS", 1)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_server_that_is_away_is_one_line(command: str, kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), f"--kubeconfig={kubeconfig}"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    expected = r"error: no answer from the API server http://127.0.0.1:\d+ of "
    assert re.match(expected, line)
    assert str(kubeconfig) in line


def options(kubeconfig: Path) -> argparse.Namespace:
    return argparse.Namespace(kubeconfig=str(kubeconfig), context=None, namespace="")


def test_failures_of_several_tasks_are_told_once_each(kubeconfig: Path) -> None:
    async def command(place: Place) -> int:
        async def fail() -> None:
            raise Forbidden(403, "Forbidden", "it is not yours")

        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(fail())
        return 0

    with pytest.raises(Failure, match=r"^it is not yours; `kubechain doctor` lists your rights$"):
        clusters.run(options(kubeconfig), command)


def test_a_defect_is_not_taken_for_a_refusal(kubeconfig: Path) -> None:
    async def command(place: Place) -> int:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        clusters.run(options(kubeconfig), command)
