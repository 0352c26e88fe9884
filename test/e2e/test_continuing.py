"""Runs that continue others, and runs with an LLM or a prompt of their own: as a person with kubectl writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from test.e2e.cluster import Namespace, table
from test.e2e.manifests import API_VERSION, QUESTION, a_builtin, a_task, an_agent, an_llm, refs
from test.e2e.model import ANSWER, Ask, Failure, MockModel, Script, asks
from test.e2e.test_views import kubechain

FIRST = "hello-world-task-1"
MORE = "And the capital of Mars?"


def a_run(name: str, **spec: Any) -> dict[str, Any]:
    """A TaskRun of the agent."""
    whole = {"agentRef": {"name": "my-assistant"}, **spec}
    return {"apiVersion": API_VERSION, "kind": "TaskRun", "metadata": {"name": name}, "spec": whole}


def continuing(name: str = "more", source: str = FIRST, *, before_turn: int | None = None, **spec: Any) -> Any:
    turn = {} if before_turn is None else {"beforeTurn": before_turn}
    return a_run(name, continueFrom={"name": source, **turn}, **spec)


@pytest.fixture
def answered(namespace: Namespace, script: Script) -> Namespace:
    """A namespace with a run of a Task that has its answer."""
    del script
    namespace.apply(an_agent(), a_task())
    namespace.finished(FIRST)
    return namespace


def texts(run: dict[str, Any]) -> list[str]:
    return [message.get("content", "") for message in run["status"]["contextWindow"]]


def test_a_run_continues_another_one_that_is_deleted_then(answered: Namespace, script: Script) -> None:
    script.answers = ["Mars has none."]
    answered.apply(continuing(userMessage=MORE))
    run = answered.finished("more")
    assert texts(run)[1:] == [QUESTION, ANSWER, MORE, "Mars has none."]
    origin = run["status"]["continuedFrom"]
    assert origin == {"name": FIRST, "uid": answered.get("taskrun", FIRST)["metadata"]["uid"], "messageCount": 3}
    answered.wait_for_event(
        "TaskRun", "more", ("Normal", "Continued", f'Begins with 3 messages of TaskRun "{FIRST}"', "taskrun-controller")
    )
    answered.kubectl("delete", "taskrun", FIRST)
    assert kubechain(answered, "continue", "more", "Sure?").out.strip() == ANSWER
    assert [message["content"] for message in script.calls[-1].messages[1:]] == [
        QUESTION,
        ANSWER,
        MORE,
        "Mars has none.",
        "Sure?",
    ]


def test_where_a_run_comes_from_is_shown(answered: Namespace) -> None:
    answered.apply(continuing(userMessage=MORE))
    answered.finished("more")
    assert table(kubechain(answered, "tree", "more").out)[0]["NAME"] == f"more (my-assistant), continues {FIRST}"
    rows = {row["NAME"]: row["CONTINUES"] for row in table(kubechain(answered, "get", "-o", "wide").out)}
    assert rows == {FIRST: "-", "more": FIRST}
    assert answered.get("taskrun", "more")["metadata"].get("ownerReferences") is None


def test_a_run_waits_for_the_one_that_it_continues(namespace: Namespace, script: Script) -> None:
    namespace.apply(an_agent())
    with script.held():
        namespace.apply(a_run("first", userMessage="Go."), continuing("more", "first", userMessage=MORE))
        namespace.wait("taskrun/more", "{.status.statusDetail}", 'Waiting for TaskRun "first" to end')
        namespace.kubectl("patch", "taskrun", "first", "--type=merge", "-p", '{"spec":{"cancel":true}}')
        namespace.wait("taskrun/first", "{.status.phase}", "Cancelled")
    assert texts(namespace.finished("more"))[1:] == ["Go.", MORE, ANSWER]


def test_a_run_that_does_not_exist_is_named(namespace: Namespace, script: Script) -> None:
    namespace.apply(an_agent(), continuing("more", "nobody", userMessage=MORE))
    namespace.wait("taskrun/more", "{.status.status}", "Error")
    detail = namespace.get("taskrun", "more")["status"]["statusDetail"]
    assert detail.startswith('Waiting for TaskRun "nobody" of spec.continueFrom, which does not exist')
    assert "which does not exist" in kubechain(namespace, "explain", "more").out
    namespace.apply(a_run("nobody", userMessage="Go."))
    namespace.finished("more")


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        pytest.param({}, f'TaskRun "{FIRST}" has its answer: set userMessage to go on', id="no question"),
        pytest.param(
            {"before_turn": 2}, f'TaskRun "{FIRST}" cannot be continued before turn 2: the run has turns 1 to 1',
            id="a turn that it has not",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_continued_fails_with_the_cause(
    answered: Namespace, spec: dict[str, Any], complaint: str
) -> None:
    answered.apply(continuing(**spec))
    assert answered.finished("more", "Failed")["status"]["error"] == complaint


REFUSED: list[Any] = [
    pytest.param(
        continuing(taskRef={"name": "hello-world-task"}),
        "continueFrom gives the conversation to start from: set neither taskRef nor contextWindow",
        id="a run of a Task",
    ),
    pytest.param(
        continuing(contextWindow=[{"role": "user", "content": "Hi."}]),
        "continueFrom gives the conversation to start from: set neither taskRef nor contextWindow",
        id="a conversation of its own",
    ),
    pytest.param(continuing("more", "more"), "a run cannot continue itself", id="itself"),
    pytest.param(continuing(before_turn=0), "spec.continueFrom.beforeTurn", id="no turn"),
    pytest.param(
        a_run("more", continueFrom={"name": FIRST, "namespace": "other"}),
        'unknown field "spec.continueFrom.namespace"',
        id="a run of another namespace",
    ),
    pytest.param(a_run("more", userMessage="Hi.", system=" "), "spec.system", id="an empty prompt"),
]


@pytest.mark.parametrize(("manifest", "complaint"), REFUSED)
def test_what_makes_no_sense_is_refused(namespace: Namespace, manifest: dict[str, Any], complaint: str) -> None:
    assert complaint in namespace.apply(manifest, fails=True).err


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param({"continueFrom": {"name": "other"}}, id="continueFrom"),
        pytest.param({"continueFrom": {"name": "first", "beforeTurn": 1}}, id="beforeTurn"),
        pytest.param({"llmRef": {"name": "other"}}, id="llmRef"),
        pytest.param({"system": "Be brief."}, id="system"),
    ],
)
def test_what_a_run_began_with_cannot_be_changed(namespace: Namespace, patch: dict[str, Any]) -> None:
    spec: dict[str, Any] = {"userMessage": MORE, "llmRef": {"name": "first"}, "system": "Be rude."}
    namespace.apply(continuing("more", "first", **spec))
    [field] = patch
    changed = continuing("more", "first", **spec)
    changed["spec"] |= patch
    assert f"{field} is immutable: create a new TaskRun instead" in namespace.apply(changed, fails=True).err


def test_a_failed_run_goes_on_where_it_failed(namespace: Namespace, script: Script) -> None:
    script.answers = [asks(Ask("add", {"a": 2, "b": 3})), Failure(401, "no")]
    namespace.apply(a_builtin("add"), an_agent(tools=refs("add")), a_task())
    namespace.finished(FIRST, "Failed")
    script.answers = ["Five."]
    namespace.wait("llm/gpt-4o", "{.status.status}", "Ready")
    namespace.apply(continuing())
    assert texts(namespace.finished("more"))[2:] == ["", "5", "Five."]
    script.answers = ["5, I think."]
    assert kubechain(namespace, "retry", FIRST, "--from-turn", "2").out == "5, I think.\n"


def another_llm(namespace: Namespace, model: MockModel, *answers: str) -> Script:
    """The LLM `other`, with a model of its own."""
    other = model[f"{namespace.name}-other"]
    other.answers = list(answers)
    namespace.apply(an_llm("other", base_url=model.base_url, model=f"{namespace.name}-other"))
    return other


def test_a_turn_is_tried_again_with_another_llm_and_another_prompt(
    answered: Namespace, script: Script, model: MockModel, tmp_path: Path
) -> None:
    other, before = another_llm(answered, model, "Moonville."), answered.get("taskrun", FIRST)
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Be brief.")
    said = kubechain(answered, "retry", FIRST, "--from-turn", "1", "--llm", "other", "--system", str(prompt))
    assert said.out == "Moonville.\n"
    assert [one["content"] for one in other.calls[-1].messages] == ["Be brief.", QUESTION]
    assert len(script.calls) == 1
    assert answered.get("taskrun", FIRST) == before
    [again] = [run for run in answered.list("taskruns") if run["metadata"]["name"] != FIRST]
    assert again["status"]["pinned"]["llmName"] == "other"
    name = again["metadata"]["name"]
    other.answers = ["Selenopolis."]
    assert kubechain(answered, "retry", name, "--wait").out == "Selenopolis.\n"
    assert [one["content"] for one in other.calls[-1].messages] == ["Be brief.", QUESTION]


def test_a_run_of_a_task_is_tried_again_with_another_llm_while_its_own_is_refused(
    namespace: Namespace, script: Script, model: MockModel
) -> None:
    script.answers = [Failure(401, "no")]
    namespace.apply(an_agent(), a_task())
    namespace.finished(FIRST, "Failed")
    namespace.kubectl("delete", "llm", "gpt-4o")
    namespace.wait("agent/my-assistant", "{.status.status}", "Error")
    another_llm(namespace, model, "Moonville.")
    assert kubechain(namespace, "retry", FIRST, "--llm", "other").out == "Moonville.\n"
    namespace.wait("task/hello-world-task", "{.status.output}", "Moonville.")


def test_an_llm_that_is_not_there_ends_with_2(answered: Namespace) -> None:
    said = kubechain(answered, "retry", FIRST, "--llm", "nothing", status=2)
    assert f'there is no LLM "nothing": in namespace "{answered.name}" there are gpt-4o' in said.err
    assert len(answered.list("taskruns")) == 1


# -- the history of a Task --


def a_rerun(name: str) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "TaskRun",
        "metadata": {"name": name},
        "spec": {"taskRef": {"name": "hello-world-task"}},
    }


def test_a_task_keeps_as_many_runs_as_it_says(namespace: Namespace, script: Script) -> None:
    script.answers = ["One.", Failure(401, "no")]
    namespace.apply(an_agent(), a_task(historyLimit={"succeeded": 1, "failed": 1}))
    namespace.finished(FIRST)
    namespace.apply(a_rerun("lost"))
    namespace.finished("lost", "Failed")
    namespace.wait("llm/gpt-4o", "{.status.status}", "Ready")
    for name in ("second", "third"):
        namespace.apply(a_rerun(name))
        namespace.finished(name)
    namespace.kubectl("wait", "--for=delete", f"taskrun/{FIRST}", "taskrun/second", "--timeout=60s")
    namespace.wait("task/hello-world-task", "{.status.runs.succeeded}", "1")
    assert namespace.get("task", "hello-world-task")["status"]["runs"] == {"active": 0, "succeeded": 1, "failed": 1}
    assert {run["metadata"]["name"] for run in namespace.list("taskruns")} == {"lost", "third"}
    told = f'Deleted TaskRun "{FIRST}" (FinalAnswer): historyLimit keeps newer ones'
    namespace.wait_for_event("Task", "hello-world-task", ("Normal", "HistoryPruned", told, "task-controller"))


def test_a_limit_below_nothing_is_refused(namespace: Namespace) -> None:
    said = namespace.apply(a_task(historyLimit={"succeeded": -1}), fails=True)
    assert "spec.historyLimit.succeeded" in said.err
