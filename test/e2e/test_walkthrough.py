"""The walk-through that the README prints, line by line: Secret, LLM, Agent, Task, TaskRun."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from test.e2e.cluster import Namespace, condition, header, table
from test.e2e.manifests import KEY, QUESTION, SYSTEM, a_task, an_agent, an_llm
from test.e2e.model import ANSWER, MockModel
from test.e2e.processes import Program

RUN = "hello-world-task-1"


@pytest.fixture(scope="module")
def walked(make_namespace: Callable[[str], Namespace], model: MockModel, manager: Program) -> Namespace:
    """A namespace in which a person has gone through steps 1 to 4, each when the one before was ready."""
    namespace = make_namespace("walk-through")
    namespace.kubectl("create", "secret", "generic", "openai", f"--from-literal=OPENAI_API_KEY={KEY}")
    namespace.apply(an_llm(base_url=model.base_url))
    namespace.wait("llm/gpt-4o", "{.status.status}", "Ready")
    namespace.apply(an_agent())
    namespace.wait("agent/my-assistant", "{.status.status}", "Ready")
    namespace.apply(a_task())
    namespace.finished(RUN)
    return namespace


def row(namespace: Namespace, kind: str, *more: str) -> dict[str, str]:
    [only] = table(namespace.kubectl("get", kind, *more).out)
    return {name: value for name, value in only.items() if name != "AGE"}


# -- step 1: the LLM --


def test_get_llm_prints_it_ready(walked: Namespace) -> None:
    assert header(walked.kubectl("get", "llm").out) == "NAME PROVIDER READY STATUS"
    assert walked.kubectl("get", "llm", "--no-headers").out.split() == ["gpt-4o", "openai", "true", "Ready"]


def test_get_llm_wide_adds_the_detail(walked: Namespace) -> None:
    assert row(walked, "llm", "-o", "wide") == {
        "NAME": "gpt-4o",
        "PROVIDER": "openai",
        "READY": "true",
        "STATUS": "Ready",
        "WINDOW": "",
        "RETIRES": "",
        "DETAIL": "OpenAI API key validated successfully",
    }


def test_the_llm_says_in_an_event_that_its_key_works(walked: Namespace) -> None:
    expected = ("Normal", "ValidationSucceeded", "OpenAI API key validated successfully", "llm-controller")
    walked.wait_for_event("LLM", "gpt-4o", expected)


def test_describe_llm_shows_the_event_with_its_reporter(walked: Namespace) -> None:
    expected = ("Normal", "ValidationSucceeded", "OpenAI API key validated successfully", "llm-controller")
    walked.wait_for_event("LLM", "gpt-4o", expected)
    described = walked.kubectl("describe", "llm", "gpt-4o").out
    [line] = [line for line in described.splitlines() if "ValidationSucceeded" in line and "llm-controller" in line]
    assert line.split()[:2] == ["Normal", "ValidationSucceeded"]
    assert line.endswith("OpenAI API key validated successfully")


# -- step 2: the Agent --


def test_get_agent_prints_it_ready(walked: Namespace) -> None:
    assert header(walked.kubectl("get", "agent").out) == "NAME READY STATUS"
    assert row(walked, "agent", "-o", "wide") == {
        "NAME": "my-assistant",
        "READY": "true",
        "STATUS": "Ready",
        "DETAIL": "All dependencies validated successfully",
    }


@pytest.mark.parametrize(
    ("reason", "message"),
    [("Initializing", "Starting validation"), ("ValidationSucceeded", "All dependencies validated successfully")],
)
def test_the_agent_tells_its_way_in_events(walked: Namespace, reason: str, message: str) -> None:
    walked.wait_for_event("Agent", "my-assistant", ("Normal", reason, message, "agent-controller"))


# -- step 3: the Task --


def test_get_task_prints_agent_and_message(walked: Namespace) -> None:
    assert header(walked.kubectl("get", "task").out) == "NAME READY STATUS AGENT MESSAGE"
    assert row(walked, "task") == {
        "NAME": "hello-world-task",
        "READY": "true",
        "STATUS": "Ready",
        "AGENT": "my-assistant",
        "MESSAGE": QUESTION,
    }


def test_get_task_wide_adds_detail_and_output(walked: Namespace) -> None:
    walked.wait("task/hello-world-task", "{.status.output}", ANSWER)
    assert (
        header(walked.kubectl("get", "task", "-o", "wide").out)
        == "NAME READY STATUS DETAIL AGENT MESSAGE OUTPUT RUN RUN PHASE"
    )
    wide = row(walked, "task", "-o", "wide")
    assert wide["DETAIL"] == "Task Run Created"
    assert wide["OUTPUT"] == ANSWER


def test_the_task_tells_its_way_in_events(walked: Namespace) -> None:
    expected = ("Normal", "TaskRunCreated", f"Created TaskRun {RUN}", "task-controller")
    walked.wait_for_event("Task", "hello-world-task", expected)


def test_the_run_belongs_to_its_task(walked: Namespace) -> None:
    task, run = walked.get("task", "hello-world-task"), walked.get("taskrun", RUN)
    assert run["metadata"]["labels"]["kubechain.humanlayer.dev/task"] == "hello-world-task"
    [owner] = run["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == (
        "Task",
        "hello-world-task",
        task["metadata"]["uid"],
        True,
    )


def test_the_label_selects_the_runs_of_a_task(walked: Namespace) -> None:
    chosen = walked.kubectl("get", "taskrun", "-l", "kubechain.humanlayer.dev/task=hello-world-task", "-o", "name")
    assert chosen.out.split() == [f"taskrun.kubechain.humanlayer.dev/{RUN}"]


# -- step 4: the TaskRun --


def test_get_taskrun_prints_the_answer(walked: Namespace) -> None:
    said = walked.kubectl("get", "taskrun").out
    assert header(said) == "NAME READY STATUS PHASE TASK PREVIEW OUTPUT"
    assert row(walked, "taskrun") == {
        "NAME": RUN,
        "READY": "true",
        "STATUS": "Ready",
        "PHASE": "FinalAnswer",
        "TASK": "hello-world-task",
        "PREVIEW": QUESTION,
        "OUTPUT": ANSWER,
    }


def test_get_taskrun_wide_adds_detail_error_and_times(walked: Namespace) -> None:
    said = walked.kubectl("get", "taskrun", "-o", "wide").out
    assert (
        header(said)
        == "NAME READY STATUS DETAIL PHASE TASK PREVIEW OUTPUT ERROR STARTED COMPLETED AGENT TURNS TOKENS COST"
    )
    [wide] = table(said)
    assert wide["DETAIL"] == "LLM final response received"
    assert wide["STARTED"]
    assert wide["COMPLETED"]
    assert wide["ERROR"] in ("", "<none>")


def test_the_status_has_the_whole_conversation(walked: Namespace) -> None:
    status = walked.get("taskrun", RUN)["status"]
    assert [(message["role"], message["content"]) for message in status["contextWindow"]] == [
        ("system", SYSTEM),
        ("user", QUESTION),
        ("assistant", ANSWER),
    ]
    assert {key: status[key] for key in ("phase", "ready", "status", "statusDetail", "output", "messageCount")} == {
        "phase": "FinalAnswer",
        "ready": True,
        "status": "Ready",
        "statusDetail": "LLM final response received",
        "output": ANSWER,
        "messageCount": 3,
    }
    assert status["startTime"] <= status["completionTime"]
    assert status["usage"]["totalTokens"] == 25


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("ValidationSucceeded", "Task validated successfully"),
        ("LLMFinalAnswer", "LLM response received successfully"),
    ],
)
def test_the_run_tells_its_way_in_events(walked: Namespace, reason: str, message: str) -> None:
    walked.wait_for_event("TaskRun", RUN, ("Normal", reason, message, "taskrun-controller"))


def test_describe_taskrun_shows_the_conversation_and_the_events(walked: Namespace) -> None:
    walked.wait_for_event(
        "TaskRun",
        RUN,
        ("Normal", "LLMFinalAnswer", "LLM response received successfully", "taskrun-controller"),
    )
    described = walked.kubectl("describe", "taskrun", RUN).out
    for part in ("Phase:", "FinalAnswer", ANSWER, "LLMFinalAnswer", "taskrun-controller"):
        assert part in described


def test_the_model_got_the_system_prompt_and_the_question(walked: Namespace, model: MockModel) -> None:
    ours = [call for call in model["gpt-4o"].calls if call.messages[-1]["content"] == QUESTION]
    assert [message["role"] for message in ours[0].messages] == ["system", "user"]
    assert ours[0].body["model"] == "gpt-4o", "a model that is not given is the LLM's own name"
    assert ours[0].key == KEY


def test_the_key_is_nowhere_but_in_the_secret(walked: Namespace) -> None:
    everything = walked.kubectl("get", "llm,agent,task,taskrun,events", "-o", "yaml").out
    assert KEY not in everything


# -- how else people look at it --


READY_CONDITIONS = (
    ("llm", "gpt-4o", "Ready"),
    ("agent", "my-assistant", "Ready"),
    ("task", "hello-world-task", "Ready"),
    ("taskrun", RUN, "Succeeded"),
)


@pytest.mark.parametrize(("kind", "name", "type_"), READY_CONDITIONS)
def test_kubectl_wait_knows_the_condition(walked: Namespace, kind: str, name: str, type_: str) -> None:
    walked.kubectl("wait", f"--for=condition={type_}", f"{kind}/{name}", "--timeout=10s")


@pytest.mark.parametrize(("kind", "name", "type_"), READY_CONDITIONS)
def test_status_and_condition_name_the_generation_they_are_about(
    walked: Namespace, kind: str, name: str, type_: str
) -> None:
    obj = walked.get(kind, name)
    generation = obj["metadata"]["generation"]
    assert obj["status"]["observedGeneration"] == generation
    assert condition(obj, type_)["observedGeneration"] == generation


def test_jsonpath_takes_the_output_out(walked: Namespace) -> None:
    assert walked.kubectl("get", "taskrun", RUN, "-o", "jsonpath={.status.output}").out == ANSWER


def test_explain_documents_the_fields(walked: Namespace) -> None:
    said = walked.kubectl("explain", "taskrun.status.contextWindow").out
    assert "contextWindow" in said
    assert "role" in said


def test_all_kinds_of_the_category_at_once(walked: Namespace) -> None:
    said = walked.kubectl("get", "kubechain", "-o", "name").out.split()
    assert {name.partition("/")[0].partition(".")[0] for name in said} >= {"llm", "agent", "task", "taskrun"}


def test_api_resources_lists_the_kinds(walked: Namespace) -> None:
    said = walked.kubectl("api-resources", "--api-group=kubechain.humanlayer.dev", "-o", "name").out.split()
    assert {name.partition(".")[0] for name in said} == {
        "agents",
        "approvalpolicies",
        "budgets",
        "contactchannels",
        "contextchunks",
        "humanrequests",
        "llms",
        "mcpservers",
        "taskruns",
        "taskruntoolcalls",
        "tasks",
        "tools",
    }
