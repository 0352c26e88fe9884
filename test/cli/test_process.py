"""How signals end a long-running command."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest
import structlog

from kubechain.cli import process
from kubechain.cli.terminal import Failure
from kubechain.runtime.health import ListenError
from kubechain.runtime.leaderelection import LeadershipLost

PATIENT = """
import asyncio, sys
import pytest
import structlog

from kubechain.cli import process
from kubechain.cli.terminal import Failure
from kubechain.runtime.leaderelection import LeadershipLost

async def main(stop):
    print('running', flush=True)
    await stop.wait()
    print('stopping', flush=True)
    await asyncio.sleep(60 if sys.argv[1] == 'slow' else 0)
    return 0

sys.exit(process.run(main))
"""


def test_the_exit_status_is_what_the_command_returns() -> None:
    async def command(stop: asyncio.Event) -> int:
        assert not stop.is_set()
        return 7

    assert process.run(command) == 7


def started(pace: str) -> subprocess.Popen[str]:
    running = subprocess.Popen([sys.executable, "-c", PATIENT, pace], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "running\n"
    return running


def test_the_first_signal_asks_and_the_command_ends_as_it_likes() -> None:
    with started("quick") as running:
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0


def test_the_second_signal_ends_it_at_once() -> None:
    with started("slow") as running:
        assert running.stdout is not None
        running.send_signal(signal.SIGINT)
        assert running.stdout.readline() == "stopping\n"
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == process.INTERRUPTED


def test_what_a_person_can_put_right_is_one_failure_however_deep_it_lies() -> None:
    group = ExceptionGroup("tasks", [ExceptionGroup("servers", [OSError("port 8080 is taken")])])
    with pytest.raises(Failure, match="port 8080 is taken"):
        process.exit_status(group)


def test_an_address_that_is_taken_is_told_with_its_flag() -> None:
    error = ExceptionGroup("tasks", [ListenError(":8081", "another program uses this port")])
    with pytest.raises(Failure, match=r"^--health-probe-bind-address :8081: another program uses this port$"):
        process.exit_status(error, {":8081": "--health-probe-bind-address"})


def test_the_loss_of_leadership_has_a_status_of_its_own_and_a_line_that_says_that_it_is_no_defect() -> None:
    with structlog.testing.capture_logs() as lines:
        assert process.exit_status(ExceptionGroup("tasks", [LeadershipLost("lease taken")])) == 75
    [line] = lines
    assert (line["log_level"], line["exit_status"]) == ("warning", 75)
    assert "no fault of the manager" in line["cause"]
    assert "exc_info" not in line


def test_a_defect_is_logged_with_its_traceback() -> None:
    with structlog.testing.capture_logs() as lines:
        assert process.exit_status(ExceptionGroup("tasks", [KeyError("x"), LeadershipLost("lease taken")])) == 1
    [line] = lines
    assert line["exc_info"]
