"""`kubechain dev`, as a person starts it on a laptop. It is its own control plane, so these never use another one."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import a_secret, a_task, an_agent, an_llm
from test.e2e.model import ANSWER, MockModel
from test.e2e.processes import Program

RUN = "hello-world-task-1"


@dataclass(frozen=True, slots=True)
class Dev:
    """A dev server and how to reach it."""

    program: Program
    kubeconfig: Path

    @property
    def namespace(self) -> Namespace:
        cache = self.kubeconfig.parent / "kubectl-cache"
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(cache)}
        return Namespace(Cluster(self.kubeconfig, environment, is_real=False), "default")


def a_dev(folder: Path, *more: str) -> Dev:
    kubeconfig, health = folder / "kubeconfig", f"127.0.0.1:{processes.free_port()}"
    arguments = ["dev", f"--kubeconfig={kubeconfig}", f"--health-probe-bind-address={health}", *more]
    return Dev(Program(arguments, folder / "dev.log", f"http://{health}/readyz"), kubeconfig)


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    """In memory, started."""
    dev = a_dev(tmp_path)
    dev.program.start()
    yield dev
    dev.program.kill()


def test_it_serves_the_walk_through_in_one_process(dev: Dev, model: MockModel) -> None:
    dev.namespace.apply(a_secret(), an_llm(base_url=model.base_url), an_agent(), a_task())
    assert dev.namespace.finished(RUN)["status"]["output"] == ANSWER


def test_it_says_what_to_do_next(dev: Dev) -> None:
    said = dev.program.log.read_text()
    assert re.search(r"ready after \d+\.\d s", said)
    assert f"export KUBECONFIG={dev.kubeconfig}" in said
    assert "production is a cluster" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_takes_the_kubeconfig_along(dev: Dev, number: signal.Signals) -> None:
    assert dev.program.stop(number) == 0
    assert not dev.kubeconfig.exists()


def test_it_ends_although_a_model_is_still_thinking(dev: Dev, model: MockModel) -> None:
    script = model["a-slow-one"]
    with script.held():
        dev.namespace.apply(a_secret(), an_llm(base_url=model.base_url, model="a-slow-one"), an_agent(), a_task())
        script.wait_for_call()
        assert dev.program.stop(signal.SIGINT) == 0


def test_a_folder_keeps_everything_and_a_restart_resumes_the_run(tmp_path: Path, model: MockModel) -> None:
    dev = a_dev(tmp_path, f"--data-dir={tmp_path / 'state'}")
    script = model["resumed"]
    with script.held():
        dev.program.start()
        dev.namespace.apply(a_secret(), an_llm(base_url=model.base_url, model="resumed"), an_agent(), a_task())
        script.wait_for_call()
        dev.program.kill()
        dev.program.start()
        script.wait_for_call(timeout_seconds=90)
    status = dev.namespace.finished(RUN)["status"]
    assert [message["role"] for message in status["contextWindow"]] == ["system", "user", "assistant"]
    assert dev.program.stop() == 0


def test_two_cannot_share_a_folder(tmp_path: Path) -> None:
    first = a_dev(tmp_path, f"--data-dir={tmp_path / 'state'}")
    first.program.start()
    (tmp_path / "other").mkdir()
    try:
        with pytest.raises(AssertionError, match="in use by another process"):
            a_dev(tmp_path / "other", f"--data-dir={tmp_path / 'state'}").program.start()
        with pytest.raises(AssertionError, match="belongs to another kubechain dev"):
            a_dev(tmp_path, f"--data-dir={tmp_path / 'second'}").program.start()
    finally:
        assert first.program.stop() == 0


def test_a_port_that_is_taken_is_named(dev: Dev, tmp_path: Path) -> None:
    port = dev.kubeconfig.read_text().partition("https://127.0.0.1:")[2].split()[0]
    (tmp_path / "other").mkdir()
    with pytest.raises(AssertionError, match=f"{port}.*another program uses this port"):
        a_dev(tmp_path / "other", f"--port={port}").program.start()


def test_the_local_model_answers_without_a_key(tmp_path: Path) -> None:
    dev = a_dev(tmp_path, "--model")
    dev.program.start()
    try:
        dev.namespace.until(
            lambda: "hello.yaml" in dev.program.log.read_text(), watch="llm", what="the manifest for newcomers is named"
        )
        [manifest] = re.findall(r"kubectl apply -f (\S+hello\.yaml)", dev.program.log.read_text())
        dev.namespace.kubectl("apply", "-f", manifest)
        assert dev.namespace.finished(RUN, timeout_seconds=120)["status"]["output"]
    finally:
        assert dev.program.stop() == 0
