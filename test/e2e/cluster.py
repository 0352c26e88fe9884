"""A cluster as a person has it: a kubeconfig and kubectl.

Nothing here knows which API server answers. Waiting is `kubectl wait`, or a watch after each of whose lines a condition
is looked at again; both have a deadline.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEADLINE_SECONDS = 60.0
"""For what takes a second or two on an idle machine."""


@dataclass(frozen=True, slots=True)
class Said:
    """What kubectl answered."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass(frozen=True, slots=True)
class Cluster:
    """An API server with our kinds installed.

    Attributes:
        kubeconfig: Of an administrator.
        environment: In which kubectl runs.
        is_real: Whether it is kube-apiserver.
    """

    kubeconfig: Path
    environment: Mapping[str, str]
    is_real: bool

    @property
    def port(self) -> int:
        """The port of the API server."""
        found = re.search(r"server: https://[^:]+:(\d+)", self.kubeconfig.read_text())
        assert found is not None
        return int(found[1])

    def through(self, port: int, folder: Path) -> Path:
        """A kubeconfig, written into a folder, that reaches the API server by another port."""
        path = folder / "through-proxy"
        path.write_text(re.sub(r"(server: https://[^:]+:)\d+", rf"\g<1>{port}", self.kubeconfig.read_text()))
        return path

    def kubectl(self, *arguments: str, stdin: str | None = None, fails: bool = False) -> Said:
        """Run kubectl and return what it said.

        Args:
            arguments: As typed.
            stdin: For `-f -`.
            fails: Whether it is meant to; anything else than what is meant is an error of the test.
        """
        done = subprocess.run(
            ["kubectl", *arguments],
            input=stdin,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=2 * DEADLINE_SECONDS,
            check=False,
        )
        said = Said(done.returncode, done.stdout, done.stderr)
        assert (said.status != 0) == fails, f"kubectl {' '.join(arguments)}: {said.status}\n{said.out}{said.err}"
        return said


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace of the cluster, for one test."""

    cluster: Cluster
    name: str

    def kubectl(self, *arguments: str, stdin: str | None = None, fails: bool = False) -> Said:
        """Run kubectl in this namespace."""
        return self.cluster.kubectl("--namespace", self.name, *arguments, stdin=stdin, fails=fails)

    def apply(self, *manifests: Mapping[str, Any], fails: bool = False) -> Said:
        """`kubectl apply -f -` with the objects given."""
        # One object goes as it is: older versions of kubectl validate the items of a List themselves.
        whole = manifests[0] if len(manifests) == 1 else {"apiVersion": "v1", "kind": "List", "items": manifests}
        return self.kubectl("apply", "-f", "-", stdin=json.dumps(whole), fails=fails)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """The object as the server has it."""
        return json.loads(self.kubectl("get", kind, name, "-o", "json").out)

    def list(self, kinds: str, *more: str) -> list[dict[str, Any]]:
        """All objects of one or several kinds."""
        return json.loads(self.kubectl("get", kinds, "-o", "json", *more).out)["items"]

    def wait(self, target: str, path: str, value: str, *, timeout_seconds: float = DEADLINE_SECONDS) -> None:
        """Wait until the object exists and the JSONPath `path` gives `value`."""
        limit = f"--timeout={timeout_seconds:.0f}s"
        self.kubectl("wait", "--for=create", target, limit)
        self.kubectl("wait", f"--for=jsonpath={path}={value}", target, limit)

    def finished(
        self, run: str, phase: str = "FinalAnswer", *, timeout_seconds: float = DEADLINE_SECONDS
    ) -> dict[str, Any]:
        """Wait until the TaskRun is in that phase, and return it."""
        self.wait(f"taskrun/{run}", "{.status.phase}", phase, timeout_seconds=timeout_seconds)
        return self.get("taskrun", run)

    def events(self, kind: str, name: str) -> list[tuple[str, str, str, str]]:
        """(type, reason, message, reporter) of each event about the object, oldest first."""
        chosen = f"involvedObject.kind={kind},involvedObject.name={name}"
        items = self.list("events", "--field-selector", chosen)
        items.sort(key=lambda item: item.get("eventTime") or item.get("firstTimestamp") or "")
        return [(item["type"], item["reason"], item["message"], _reporter(item)) for item in items]

    def wait_for_event(self, kind: str, name: str, expected: tuple[str, str, str, str]) -> None:
        """Wait until that event is there: events follow the status that they are about."""
        self.until(
            lambda: expected in self.events(kind, name), watch="events", what=f"event {expected} of {kind} {name}"
        )

    def until(
        self,
        condition: Callable[[], bool],
        *,
        watch: str,
        what: str,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        """Wait for a condition, looking again after each change of the watched kind.

        Args:
            condition: Cheap and without effects.
            watch: A kind, or kinds with commas.
            what: For the complaint.
            timeout_seconds: For all of it.
        """
        deadline = time.monotonic() + timeout_seconds
        command = ["kubectl", "--namespace", self.name, "get", watch, "--watch", "-o", "name"]
        with subprocess.Popen(
            command, env=dict(self.cluster.environment), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            try:
                while not condition():
                    assert process.stdout is not None
                    left = deadline - time.monotonic()
                    # A condition may also depend on what is not watched; hence the look after a second without news.
                    select.select([process.stdout], [], [], max(0.0, min(1.0, left)))
                    os.set_blocking(process.stdout.fileno(), False)
                    process.stdout.read()
                    assert time.monotonic() < deadline, f"not within {timeout_seconds:.0f} s: {what}"
            finally:
                process.kill()


def _reporter(event: Mapping[str, Any]) -> str:
    return str(event.get("reportingComponent") or event.get("source", {}).get("component", ""))


def table(text: str) -> list[dict[str, str]]:
    """The rows of a kubectl table, each by its column heads; cells may be empty."""
    head, *rows = text.splitlines()
    starts = [(found.start(), found.group()) for found in re.finditer(r"\S+(?: \S+)*", head)]
    ends = [start for start, _ in starts[1:]] + [None]
    return [{name: row[start:end].strip() for (start, name), end in zip(starts, ends, strict=True)} for row in rows]


def header(text: str) -> str:
    """The column heads with single spaces between."""
    return " ".join(text.splitlines()[0].split())


def condition(obj: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    """The condition of that type.

    Raises:
        KeyError: The object has none.
    """
    found: Sequence[Mapping[str, Any]] = obj.get("status", {}).get("conditions", [])
    return {each["type"]: each for each in found}[type_]
