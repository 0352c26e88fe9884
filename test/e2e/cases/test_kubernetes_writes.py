"""Writes that are refused, the end of a call, adoption and uninstalling: the page's words are the ids."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from test.controllers import test_adoption as adoption
from test.controllers import test_refusals as refusals
from test.controllers.refusing import ANSWERS
from test.e2e import processes
from test.e2e.cases.rows import case
from test.e2e.cluster import Cluster, Namespace
from test.e2e.conftest import CRDS
from test.e2e.manifests import (
    a_secret,
    a_task,
    a_tool,
    an_agent,
    an_llm,
)
from test.e2e.model import Ask, MockModel, asks
from test.e2e.planes import restorable
from test.runtime.virtual_time import VirtualTimeLoop

CONFIG = Path(__file__).resolve().parents[3] / "config"

SAMPLES = Path(__file__).resolve().parents[3] / "config" / "samples"


# --- writes that are refused, ends, adoption: in one process on virtual time, where an hour of refusals takes no time


def _virtually(story: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(story)


@case(
    "a refused create that nobody hears of",
    {
        "Task's TaskRun": refusals.test_a_refused_run_is_told_by_its_task_and_created_when_it_may_be,
        "TaskRun's TaskRunToolCall": refusals.test_a_refused_tool_call_is_told_by_its_run_and_created_when_it_may_be,
        "a delegation's child run": (
            refusals.test_a_refused_run_of_another_agent_is_told_by_the_call_and_created_when_it_may_be
        ),
    },
)
def test_a_refused_create_is_told_and_tried_again(given: Callable[..., Coroutine[Any, Any, None]]) -> None:
    for who in ("a quota (403)", "a policy (422)", "no right (403)"):
        _virtually(given(ANSWERS[who]))


@case("the code of a refusal decides too much", {who: ANSWERS[who] for who in ANSWERS})
def test_every_refusal_is_tried_again(given: Any) -> None:
    _virtually(refusals.test_a_refused_tool_call_is_told_by_its_run_and_created_when_it_may_be(given))


@case("the code of a refusal decides too much", {"for longer than retryFor": "a tool call"})
def test_a_refusal_without_end_fails_the_run(given: str) -> None:
    _virtually(refusals.test_what_is_refused_for_longer_than_the_limit_fails_the_run_with_the_reason(given))


@case("the API server refuses our own writes for a while", {"no credentials": "401", "RBAC": "403", "a policy": "422"})
def test_unwritable_statuses_fail_readiness(given: str) -> None:
    _virtually(refusals.test_statuses_that_cannot_be_written_fail_readiness_until_they_can(given))


@case("a result that cannot be recorded for 30 s", {who: ANSWERS[who] for who in ("a policy (422)", "a policy (400)")})
def test_a_result_is_kept(given: Any) -> None:
    _virtually(refusals.test_a_result_that_is_refused_for_a_while_is_kept(given))


@case("unfinished runs of the predecessor", {left: left for left in adoption.HANDED_OVER})
def test_a_run_is_adopted(given: str) -> None:
    _virtually(adoption.test_a_run_of_an_earlier_release_goes_on_from_its_calls(given))


@case("unfinished runs of the predecessor", {"calls that are gone": None})
def test_a_run_that_cannot_be_adopted_fails(given: None) -> None:
    assert given is None
    _virtually(adoption.test_a_run_whose_calls_are_lost_fails_and_asks_no_model())


@case(
    "a finalizer that outlives its purpose",
    {
        "the operator first": ("operator", "namespace", "definitions"),
        "the objects first": ("namespace", "operator", "definitions"),
        "the definitions first": ("definitions", "operator", "namespace"),
    },
)
def test_uninstall_leaves_nothing(given: Sequence[str], cluster: Cluster, model: MockModel, tmp_path: Path) -> None:
    with restorable(tmp_path, is_real=cluster.is_real) as plane:
        own = plane.cluster
        own.kubectl("apply", "-f", str(CRDS))
        own.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        manager = processes.manager(own.kubeconfig, tmp_path / "manager.log")
        manager.start()
        own.kubectl("create", "namespace", "work")
        namespace, name = Namespace(own, "work"), f"uninstall-{given[0]}"
        model[name].answers = [asks(Ask("delegate_to_agent__scout", {"message": "See."})), "Seen.", "Done."]
        namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=name), an_agent("scout"))
        namespace.apply(an_agent(subAgents=[{"name": "scout"}]), a_task())
        namespace.finished("hello-world-task-1")
        namespace.until(
            lambda: not namespace.get("trtc", "hello-world-task-1-t0-c0")["metadata"].get("finalizers"),
            watch="trtc",
            what="the finished call is released",
        )
        steps: dict[str, Callable[[], object]] = {
            "operator": manager.stop,
            "namespace": lambda: own.kubectl("delete", "namespace", "work"),
            "definitions": lambda: own.kubectl("delete", "-f", str(CRDS)),
        }
        for step in given:
            steps[step]()
        assert "work" not in own.kubectl("get", "namespaces", "-o", "name").out
        assert "kubechain" not in own.kubectl("get", "crd", "-o", "name").out


@case("the embedded server hides it", {"a definition whose objects have finalizers": "customresourcecleanup"})
def test_a_definition_waits_for_its_objects(given: str, cluster: Cluster, tmp_path: Path) -> None:
    with restorable(tmp_path, is_real=cluster.is_real) as plane:
        own = plane.cluster
        own.kubectl("apply", "-f", str(CRDS))
        own.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        namespace, crd = Namespace(own, "default"), "crd/tools.kubechain.humanlayer.dev"
        held = a_tool("held", toolType="function", execute={"builtin": {"name": "add"}})
        namespace.apply(held | {"metadata": {"name": "held", "finalizers": ["example.com/keep"]}})
        own.kubectl("delete", crd, "--wait=false")
        own.kubectl("wait", "--for=condition=Terminating", crd, "--timeout=60s")
        assert any(
            given in one for one in json.loads(own.kubectl("get", crd, "-o", "json").out)["metadata"]["finalizers"]
        )
        namespace.kubectl("patch", "tool", "held", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        own.kubectl("wait", "--for=delete", crd, "--timeout=60s")
