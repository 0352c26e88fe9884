"""Programs under test, started as a user starts them and ended for certain."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

KUBECHAIN = Path(sys.executable).with_name("kubechain")

READY_SECONDS = 60.0
"""Generous: two cores may be busy with other tests. The start-up time itself is measured elsewhere."""

LOST_LEADERSHIP = 75
"""Exit status of a manager that does not lead any more."""

STOP_SECONDS = 30.0
_PAUSE_SECONDS = 0.05


@dataclass(slots=True)
class Program:
    """One run of the `kubechain` command, or of another one; may be started again after it has ended.

    Attributes:
        arguments: Of the command.
        log: Gets its output, one run after the other.
        ready_url: Answers 200 when the program is ready.
        environment: In addition to ours.
        command: What the arguments are for.
    """

    arguments: Sequence[str]
    log: Path
    ready_url: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    command: Sequence[str] = (str(KUBECHAIN),)
    popen: subprocess.Popen[bytes] | None = None

    def start(self, *, ready_seconds: float = READY_SECONDS) -> float:
        """Start it, return when it is ready, and say how many seconds that took."""
        began = time.monotonic()
        with self.log.open("ab") as output:
            self.popen = subprocess.Popen(
                [*self.command, *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        while not _answers(self.ready_url):
            self._fail_if_ended()
            assert time.monotonic() - began < ready_seconds, f"not ready in {ready_seconds:.0f} s:\n{self.tail()}"
        return time.monotonic() - began

    def _fail_if_ended(self) -> None:
        """Wait a moment for the end, which also paces the questions."""
        assert self.popen is not None
        try:
            status = self.popen.wait(_PAUSE_SECONDS)
        except subprocess.TimeoutExpired:
            return
        raise AssertionError(f"{' '.join(self.arguments)}: ended with {status}:\n{self.tail()}")

    def kill(self) -> None:
        """SIGKILL, as a node that goes down."""
        if self.popen is not None:
            self.popen.kill()
            self.popen.wait()
            self.popen = None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit status."""
        assert self.popen is not None, "it was not started"
        self.popen.send_signal(number)
        try:
            return self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {STOP_SECONDS:.0f} s of {number.name}:\n{self.tail()}") from None
        finally:
            self.kill()

    def tail(self, lines: int = 40) -> str:
        """The end of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return int(each.getsockname()[1])


def manager(kubeconfig: Path, log: Path, *more: str, environment: Mapping[str, str] | None = None) -> Program:
    """The manager against that cluster, not started yet."""
    health = f"127.0.0.1:{free_port()}"
    arguments = [
        "manager",
        f"--kubeconfig={kubeconfig}",
        f"--health-probe-bind-address={health}",
        "--metrics-bind-address=0",
        "--log-format=json",
        *more,
    ]
    return Program(arguments, log, f"http://{health}/readyz", environment or {})


def _answers(url: str) -> bool:
    """Whether a GET succeeds. The certificate of a server that is only just starting is nobody's concern."""
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    try:
        with opener.open(url, timeout=2.0):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False
