"""The order in which a person applies things does not matter, and neither does the order of deletion."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from test.e2e.cluster import Namespace
from test.e2e.manifests import KEY, a_secret, a_task, a_taskrun, an_agent, an_llm
from test.e2e.model import ANSWER, MockModel

RUN = "hello-world-task-1"
OURS = "llm,agent,task,taskrun,taskruntoolcall,mcpserver,tool,contactchannel,secret"


def test_all_at_once_and_backwards_comes_to_the_same_answer(namespace: Namespace, model: MockModel) -> None:
    namespace.apply(a_task(), an_agent(), an_llm(base_url=model.base_url), a_secret())
    assert namespace.finished(RUN)["status"]["output"] == ANSWER


def test_each_thing_says_by_name_what_it_waits_for(namespace: Namespace, model: MockModel) -> None:
    namespace.apply(a_task())
    wait_for_detail(namespace, "task/hello-world-task", "my-assistant")
    namespace.apply(an_agent())
    wait_for_detail(namespace, "agent/my-assistant", "gpt-4o")
    namespace.apply(an_llm(base_url=model.base_url))
    wait_for_detail(namespace, "llm/gpt-4o", "openai")
    namespace.apply(a_secret())
    assert namespace.finished(RUN)["status"]["output"] == ANSWER


def wait_for_detail(namespace: Namespace, target: str, part: str) -> None:
    kind, name = target.split("/")
    namespace.until(
        lambda: part in namespace.get(kind, name).get("status", {}).get("statusDetail", ""),
        watch=kind,
        what=f"{target} names {part}",
    )


@pytest.mark.parametrize(
    ("already_there", "message"),
    [
        pytest.param([], 'Waiting for task "hello-world-task" to exist', id="its task is missing"),
        pytest.param([a_task()], 'Waiting for task "hello-world-task" to become ready', id="its task is not ready"),
    ],
)
def test_a_run_waits_for_its_task_and_says_so(
    namespace: Namespace, model: MockModel, already_there: list[dict[str, Any]], message: str
) -> None:
    namespace.apply(*already_there, a_taskrun("early", task="hello-world-task"))
    namespace.wait_for_event("TaskRun", "early", ("Normal", "Waiting", message, "taskrun-controller"))
    assert namespace.get("taskrun", "early")["status"]["phase"] == "Pending"
    namespace.apply(a_secret(), an_llm(base_url=model.base_url), an_agent(), a_task())
    assert namespace.finished("early")["status"]["output"] == ANSWER


def test_a_rotated_key_is_taken_without_a_restart(namespace: Namespace, model: MockModel) -> None:
    script = model[namespace.name]
    script.keys = frozenset({"the-new-key"})
    namespace.apply(a_secret(OPENAI_API_KEY="the-old-key"), an_llm(base_url=model.base_url, model=namespace.name))
    namespace.wait("llm/gpt-4o", "{.status.status}", "Error")
    namespace.apply(a_secret(OPENAI_API_KEY="the-new-key"))
    namespace.wait("llm/gpt-4o", "{.status.status}", "Ready")
    namespace.apply(an_agent(), a_task())
    namespace.finished(RUN)
    assert {call.key for call in script.calls} == {"the-new-key"}


def test_an_agent_follows_its_llm_down_and_up(namespace: Namespace, model: MockModel) -> None:
    script = model[namespace.name]
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), an_agent())
    namespace.wait("agent/my-assistant", "{.status.ready}", "true")
    script.keys = frozenset({"another-key"})
    namespace.apply(a_secret(OPENAI_API_KEY="a-wrong-key"))
    namespace.wait("agent/my-assistant", "{.status.ready}", "false")
    namespace.apply(a_secret(OPENAI_API_KEY="another-key"))
    namespace.wait("agent/my-assistant", "{.status.ready}", "true")


def test_an_edit_of_the_agent_does_not_touch_a_run_that_has_begun(namespace: Namespace, model: MockModel) -> None:
    script = model[namespace.name]
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name))
    with script.held():
        namespace.apply(an_agent(system="The first prompt."), a_task())
        script.wait_for_call()
        namespace.apply(an_agent(system="The second prompt."))
        namespace.wait("agent/my-assistant", "{.status.observedGeneration}", "2")
    window = namespace.finished(RUN)["status"]["contextWindow"]
    assert window[0]["content"] == "The first prompt."
    namespace.apply(a_taskrun("rerun", task="hello-world-task"))
    assert namespace.finished("rerun")["status"]["contextWindow"][0]["content"] == "The second prompt."


def test_the_task_shows_the_output_of_the_run_that_finished_last(namespace: Namespace, model: MockModel) -> None:
    script = model[namespace.name]
    script.answers = ["one", "two"]
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), an_agent(), a_task())
    namespace.wait("task/hello-world-task", "{.status.output}", "one")
    namespace.apply(a_taskrun("rerun", task="hello-world-task"))
    namespace.wait("task/hello-world-task", "{.status.output}", "two")


def test_a_rerun_may_say_something_else(namespace: Namespace, model: MockModel) -> None:
    namespace.apply(a_secret(), an_llm(base_url=model.base_url), an_agent(), a_task())
    namespace.finished(RUN)
    namespace.apply(a_taskrun("rerun", task="hello-world-task", userMessage="And of Mars?"))
    assert namespace.finished("rerun")["status"]["contextWindow"][1]["content"] == "And of Mars?"


def test_goal_and_history_follow_the_message(namespace: Namespace, model: MockModel) -> None:
    task = a_task(goal="Know the capital.", everythingThatHappenedSoFar=["Somebody asked before."])
    namespace.apply(a_secret(), an_llm(base_url=model.base_url), an_agent(), task)
    said = namespace.finished(RUN)["status"]["contextWindow"][1]["content"]
    assert said.startswith(task["spec"]["message"])
    assert said.index("Know the capital.") < said.index("Somebody asked before.")


STEPS = ("taskruntoolcall", "taskrun", "task", "agent", "mcpserver", "llm", "secret")


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(STEPS, id="as the walk-through deletes"),
        pytest.param(STEPS[::-1], id="backwards"),
        pytest.param(("agent", "secret", "task", "llm", "taskrun", "mcpserver", "taskruntoolcall"), id="mixed"),
    ],
)
def test_everything_goes_in_any_order(namespace: Namespace, model: MockModel, order: tuple[str, ...]) -> None:
    namespace.apply(a_secret(), an_llm(base_url=model.base_url), an_agent(), a_task())
    namespace.finished(RUN)
    for kind in order:
        namespace.kubectl("delete", kind, "--all", "--timeout=30s")
    namespace.until(lambda: namespace.list(OURS) == [], watch="taskrun", what="nothing is left behind")


def test_a_run_goes_with_its_task(namespace: Namespace, model: MockModel) -> None:
    namespace.apply(a_secret(), an_llm(base_url=model.base_url), an_agent(), a_task())
    namespace.finished(RUN)
    namespace.kubectl("delete", "task", "hello-world-task")
    namespace.kubectl("wait", "--for=delete", f"taskrun/{RUN}", "--timeout=60s")


def test_a_run_may_be_deleted_while_the_model_thinks(namespace: Namespace, model: MockModel) -> None:
    script = model[namespace.name]
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), an_agent())
    with script.held():
        namespace.apply(a_task())
        script.wait_for_call()
        namespace.kubectl("delete", "task,taskrun", "--all", "--timeout=30s")
    namespace.until(lambda: namespace.list("task,taskrun") == [], watch="taskrun", what="nothing is left behind")


def test_many_runs_are_in_flight_at_once(namespace: Namespace, model: MockModel) -> None:
    script = model[namespace.name]
    count = 40
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), an_agent())
    namespace.wait("agent/my-assistant", "{.status.ready}", "true")
    with script.held():
        namespace.apply(*(a_task(f"task-{number}") for number in range(count)))
        for _ in itertools.repeat(None, count):
            script.wait_for_call()
    namespace.until(
        lambda: all(run.get("status", {}).get("phase") == "FinalAnswer" for run in namespace.list("taskrun")),
        watch="taskrun",
        what="every run has its answer",
    )
    assert len(script.calls) == count
    assert KEY not in namespace.kubectl("get", OURS.removesuffix(",secret"), "-o", "yaml").out
