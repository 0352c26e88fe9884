"""The write budget of a real manager on a real connection, counted by a watch: each write is one event."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import a_builtin, a_secret, a_task, an_agent, an_llm, refs
from test.e2e.model import Ask, MockModel, asks
from test.e2e.processes import Program

RUN = "hello-world-task-1"


@pytest.fixture(scope="module")
def manager(cluster: Cluster, logs: Path) -> Iterator[Program]:
    program = processes.manager(cluster.kubeconfig, logs / "counted.log")
    program.start()
    yield program
    assert program.stop() == 0, program.tail()


@contextmanager
def watched(namespace: Namespace, kind: str, log: Path) -> Generator[Callable[[], list[str]]]:
    """Watch a kind from now on; yields what gives the events so far."""
    command = ["kubectl", "--namespace", namespace.name, "get", kind, "--watch", "--output-watch-events", "-v=6"]
    requests = log.with_suffix(".requests")
    with (
        log.open("wb") as out,
        requests.open("wb") as told,
        subprocess.Popen(command, env=dict(namespace.cluster.environment), stdout=out, stderr=told) as process,
    ):
        try:
            # A watch that starts late shows an object as it is then, and not the writes before.
            namespace.until(
                lambda: any("watch=true" in line and "200 OK" in line for line in requests.read_text().splitlines()),
                watch="agent",
                what=f"the watch of {kind} is answered",
            )
            yield lambda: [line for line in log.read_text().splitlines() if line.startswith(("ADDED", "MODIFIED"))]
        finally:
            process.kill()


@pytest.mark.parametrize(("count", "writes"), [(1, 6), (2, 8), (8, 20)])
def test_a_run_with_tools_keeps_its_write_budget(
    make_namespace: Callable[[str], Namespace],
    model: MockModel,
    manager: Program,
    tmp_path: Path,
    count: int,
    writes: int,
) -> None:
    assert manager.popen is not None
    namespace = make_namespace(f"budget-{count}")
    model[namespace.name].answers = [asks(*(Ask("add", {"a": number, "b": 1}) for number in range(count))), "Added."]
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), a_builtin("add"))
    namespace.apply(an_agent(tools=refs("add")))
    namespace.wait("agent/my-assistant", "{.status.ready}", "true")
    with (
        watched(namespace, "taskrun", tmp_path / "runs") as run_events,
        watched(namespace, "trtc", tmp_path / "calls") as call_events,
    ):
        namespace.apply(a_task())
        namespace.finished(RUN)
        namespace.until(
            lambda: any("FinalAnswer" in line for line in run_events()) and len(call_events()) >= 2 * count,
            watch="taskrun",
            what="the watches have seen it all",
        )
        seen = [*run_events(), *call_events()]
    # The run itself was made by the Task.
    assert len(seen) == 1 + writes, "\n".join(seen)
