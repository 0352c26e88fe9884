"""Jobs for calls: what is in them, what cannot get into them, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from kubechain.api.references import NamedValue
from kubechain.api.tool import ContainerTool
from kubechain.tools.container import DEADLINE_SLACK_SECONDS, Call, expanded, invocation, job, job_name
from kubechain.tools.model import InvalidArguments, InvalidTool

CALL = Call("team-a", "run-1-t0-c0", "3f1c", idempotency_key="k1", labels={"kubechain.humanlayer.dev/taskrun": "run-1"})

HOSTILE = [
    "; rm -rf /",
    "$(id)",
    "`id`",
    "$(API_KEY)",
    "$$(API_KEY)",
    "$",
    "$$",
    "${API_KEY}",
    "a && b | c > d < e & f",
    "'\"\\",
    "--privileged",
    "\n\r\t",
    "*?[]{}~#!",
]


def a_tool(**fields: Any) -> ContainerTool:
    return ContainerTool.model_validate({"image": "alpine:3.22"} | fields)


def container_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    return container


def as_kubernetes_runs_it(tool: ContainerTool, arguments: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """The words and variables that the program gets in the end."""
    given = invocation(tool, arguments)
    environment = {"API_KEY": "canary"}
    environment |= {variable.name: expanded(variable.value or "", environment) for variable in given.env}
    return [expanded(word, environment) for word in (*given.command, *given.args)], environment


def test_the_job_runs_once_restricted_and_belongs_to_its_call() -> None:
    manifest = job(CALL, a_tool(timeoutSeconds=60), {})
    assert manifest["metadata"]["name"] == "run-1-t0-c0"
    assert manifest["metadata"]["namespace"] == "team-a"
    assert manifest["metadata"]["labels"]["kubechain.humanlayer.dev/taskrun"] == "run-1"
    assert manifest["metadata"]["annotations"] == {"kubechain.humanlayer.dev/idempotency-key": "k1"}
    (owner,) = manifest["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == (
        "TaskRunToolCall",
        "run-1-t0-c0",
        "3f1c",
        True,
    )
    spec, pod = manifest["spec"], manifest["spec"]["template"]["spec"]
    assert (spec["backoffLimit"], spec["parallelism"], spec["activeDeadlineSeconds"]) == (
        0,
        1,
        60 + DEADLINE_SLACK_SECONDS,
    )
    assert spec["ttlSecondsAfterFinished"] > 0
    assert pod["restartPolicy"] == "Never"
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert "serviceAccountName" not in pod
    security = container_of(manifest)["securityContext"]
    assert security == {"allowPrivilegeEscalation": False, "privileged": False, "capabilities": {"drop": ["ALL"]}}


def test_a_service_account_that_is_named_gives_its_token() -> None:
    pod = job(CALL, a_tool(serviceAccountName="deployer"), {})["spec"]["template"]["spec"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("deployer", True)


def test_the_name_is_always_the_same_and_fits_a_label() -> None:
    long = Call("ns", "x" * 250, "u")
    assert job_name(long) == job_name(Call("other", "x" * 250, "v"))
    assert len(job_name(long)) <= 63
    assert job_name(long) != job_name(Call("ns", "x" * 249 + "y", "u"))


@pytest.mark.parametrize("value", HOSTILE)
def test_an_argument_reaches_the_program_byte_for_byte_as_one_word(value: str) -> None:
    tool = a_tool(
        command=["/bin/prog"], args=["$(text)", "--flag=$(text)$(text)"], env=[{"name": "T", "value": "<$(text)>"}]
    )
    words, environment = as_kubernetes_runs_it(tool, {"text": value})
    assert words == ["/bin/prog", value, f"--flag={value}{value}"]
    assert environment["T"] == f"<{value}>"
    assert environment["KUBECHAIN_ARG_TEXT"] == value


def test_arguments_come_as_json_and_one_by_one() -> None:
    _, environment = as_kubernetes_runs_it(a_tool(), {"max-items": 3, "q": "é$x", "list": [1], "none": None})
    assert environment["KUBECHAIN_ARGUMENTS"] == '{"max-items":3,"q":"é$x","list":[1],"none":null}'
    assert environment["KUBECHAIN_ARG_MAX_ITEMS"] == "3"
    assert environment["KUBECHAIN_ARG_LIST"] == "[1]"
    assert "KUBECHAIN_ARG_NONE" not in environment


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PATH", "ld preload", "a=b\nPATH", "", "é", "API_KEY"])
def test_an_argument_never_chooses_a_variable(name: str) -> None:
    given = invocation(a_tool(env=[{"name": "API_KEY", "value": "own"}]), {name: "evil"})
    names = [variable.name for variable in given.env]
    assert all(name == "API_KEY" or name.startswith("KUBECHAIN_ARG") for name in names)
    assert len(names) == len(set(names))


def test_an_argument_does_not_take_the_place_of_a_variable_of_the_same_name() -> None:
    tool = a_tool(args=["$(API_KEY)"], env=[{"name": "API_KEY", "value": "own"}])
    assert invocation(tool, {"API_KEY": "evil"}).args == ("$(API_KEY)",)


def test_a_secret_stays_a_reference() -> None:
    source = {"secretKeyRef": {"name": "s", "key": "k"}}
    manifest = job(CALL, a_tool(env=[{"name": "TOKEN", "valueFrom": source}]), {})
    assert container_of(manifest)["env"][0] == {"name": "TOKEN", "valueFrom": source}


def test_the_author_may_set_any_variable_of_their_own_image() -> None:
    env = [{"name": "PATH", "value": "/opt/bin"}, {"name": "LD_PRELOAD", "value": "/lib/x.so"}]
    assert container_of(job(CALL, a_tool(env=env), {}))["env"][:2] == env


def test_an_optional_argument_that_was_not_given_leaves_no_word() -> None:
    tool = a_tool(args=["--q", "$(q)", "$(opt)", "x$(opt)y", "$(HOME)", "$(empty)"])
    given = invocation(tool, {"q": "a", "empty": ""}, declared=["q", "opt", "empty"])
    assert given.args == ("--q", "a", "xy", "$(HOME)", "")


@pytest.mark.parametrize(
    "tool",
    [
        pytest.param(a_tool(image="--privileged"), id="an image that is an option"),
        pytest.param(a_tool(image="a b"), id="an image with a space"),
        pytest.param(a_tool(image=""), id="no image"),
        pytest.param(a_tool(env=[{"name": "A\nB", "value": ""}]), id="a variable with a line break"),
        pytest.param(a_tool(env=[{"name": "A=B", "value": ""}]), id="a variable with an equals sign"),
        pytest.param(a_tool(env=[{"name": "KUBECHAIN_ARGUMENTS", "value": ""}]), id="a variable that is ours"),
    ],
)
def test_a_tool_that_cannot_be_run_is_refused(tool: ContainerTool) -> None:
    with pytest.raises(InvalidTool):
        job(CALL, tool, {})


@pytest.mark.parametrize("value", ["a\x00b", "x" * 200_000, "$" * 60_000])
def test_a_value_that_no_program_can_be_given_is_refused(value: str) -> None:
    with pytest.raises(InvalidArguments):
        job(CALL, a_tool(args=["$(v)"]), {"v": value})


def test_the_environment_is_expanded_as_kubernetes_does() -> None:
    environment = {"A": "1", "B": "$(A)"}
    assert expanded("$(A) $$(A) $$$(A) $(NO) $A $( $(A", environment) == "1 $(A) $1 $(NO) $A $( $(A"
    assert expanded("$(B)", environment) == "$(A)", "once, never again"


def test_the_model_of_a_variable_takes_no_surprises() -> None:
    assert NamedValue(name="A", value="x").model_dump(by_alias=True, exclude_none=True) == {"name": "A", "value": "x"}
