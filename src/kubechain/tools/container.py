"""A container per call: the Job that runs it in a cluster, and what came of it. Pure.

A caller creates, watches and deletes the Job; `engine` runs the same container without a cluster. The Job has the
call's name and belongs to it: whoever comes after a crash finds it again, and it goes when the call goes. It is never
started a second time: no retries, no restarts.

Words and values of the Tool may hold `$(name)`, which stands for an argument. It is filled in here and never by a
shell. A value that looks like a reference itself stays text: Kubernetes expands `$(NAME)` from the environment, where
the Tool's secrets are, so every `$` of an argument is doubled.

Arguments never choose the name of a variable: they come as `KUBECHAIN_ARGUMENTS` (JSON) and `KUBECHAIN_ARG_<NAME>`. The
Tool's author may set any other variable, `PATH` and `LD_PRELOAD` included: it is their own image that they apply to.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from kubechain.api.names import label_value, shortened
from kubechain.api.references import NamedValue
from kubechain.api.tool import ContainerTool
from kubechain.tools.arguments import to_json
from kubechain.tools.model import InvalidArguments, InvalidTool, NotExecuted, Output, Uncertain

CONTAINER_NAME = "tool"

DEFAULT_TIMEOUT_SECONDS = 300
"""When the Tool does not say: long for a command, short for a run that waits for it."""

TTL_SECONDS_AFTER_FINISHED = 3600
"""How long a finished Job stays for people to look at; the call has recorded its result long before."""

LOG_LIMIT_BYTES = 256 * 1024
"""Of the log that are read: what a context window holds inline."""

MAX_VALUE_BYTES = 96 * 1024
"""Of one word or variable; Linux takes 128 KiB."""

USER_ID = 65532
"""Whom the container runs as: the `nonroot` of common images, nobody in the others."""

ANNOTATION_IDEMPOTENCY_KEY = "kubechain.humanlayer.dev/idempotency-key"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"

_MAX_JOB_NAME = 63
"""The Job's name becomes a label of its Pod."""

_REFERENCE = re.compile(r"\$(\$|\(([A-Za-z_][A-Za-z0-9_.-]*)\))")
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_IMAGE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._:/@-]*")
_RESERVED = "KUBECHAIN_ARG"
_NEVER_STARTS = frozenset({"InvalidImageName", "ErrImageNeverPull", "ImagePullBackOff", "CreateContainerConfigError"})


@dataclass(frozen=True, slots=True)
class Call:
    """The TaskRunToolCall that a container is run for.

    Attributes:
        api_version: With `kind`, `name` and `uid`, what the Job's owner reference says.
        idempotency_key: The same for each attempt of this call.
        labels: For the Job and its Pod, such as those of task and run.
    """

    namespace: str
    name: str
    uid: str
    api_version: str = "kubechain.humanlayer.dev/v1alpha1"
    kind: str = "TaskRunToolCall"
    idempotency_key: str = ""
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Invocation:
    """What is run: words and environment with the arguments filled in, in the form that Kubernetes expands."""

    command: tuple[str, ...]
    args: tuple[str, ...]
    env: tuple[NamedValue, ...]


def job_name(call: Call) -> str:
    """The name of the call's Job: always the same, so that it is created once."""
    return shortened(call.name, _MAX_JOB_NAME).lower()


def invocation(tool: ContainerTool, arguments: Mapping[str, Any], *, declared: Collection[str] = ()) -> Invocation:
    """Fill the arguments in.

    Args:
        tool: The Tool's container.
        arguments: Checked arguments.
        declared: Names of all arguments that the schema knows: a word that is nothing but an optional argument that
            was not given is left out. Other `$(name)` are left to Kubernetes.

    Raises:
        InvalidTool: The image or a variable cannot be used.
        InvalidArguments: A value cannot be given to a program.
    """
    if not _IMAGE.fullmatch(tool.image):
        raise InvalidTool("image: not a reference to an image")
    env_names = {variable.name for variable in tool.env}
    values = {**dict.fromkeys(declared), **arguments}
    known = {name: _text(value) for name, value in values.items() if name not in env_names}
    given = Invocation(
        command=_words(tool.command, known),
        args=_words(tool.args, known),
        env=(*(_variable(variable, known) for variable in tool.env), *_argument_variables(arguments)),
    )
    _check_values(given)
    return given


def job(
    call: Call,
    tool: ContainerTool,
    arguments: Mapping[str, Any],
    *,
    declared: Collection[str] = (),
    timeout_seconds: float | None = None,
) -> dict[str, Any]:
    """Write the Job for a call.

    Raises:
        InvalidTool: The image or a variable cannot be used.
        InvalidArguments: A value cannot be given to a program.
    """
    labels = {**(call.labels or {}), LABEL_MANAGED_BY: "kubechain"}
    labels["kubechain.humanlayer.dev/taskruntoolcall"] = label_value(call.name)
    deadline = timeout_seconds or tool.timeout_seconds or DEFAULT_TIMEOUT_SECONDS
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(call),
            "namespace": call.namespace,
            "labels": labels,
            "annotations": {ANNOTATION_IDEMPOTENCY_KEY: call.idempotency_key},
            "ownerReferences": [_owner(call)],
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": max(1, round(deadline)),
            "ttlSecondsAfterFinished": TTL_SECONDS_AFTER_FINISHED,
            "template": {
                "metadata": {"labels": labels},
                "spec": _pod(tool, invocation(tool, arguments, declared=declared)),
            },
        },
    }


def outcome(job: Mapping[str, Any], pods: Sequence[Mapping[str, Any]], log: str) -> Output | None:
    """Read what came of a call's Job.

    Args:
        job: The Job, as the API server has it.
        pods: Its Pods.
        log: What the container wrote; only looked at when the Job is over.

    Returns:
        What the container answered; None while it is not over.

    Raises:
        NotExecuted: The container certainly never started; delete the Job before recording this, for it might yet.
        Uncertain: It started, or may have, and was cut off.
    """
    conditions = {c.get("type"): c for c in _dicts(job, "status", "conditions") if c.get("status") == "True"}
    statuses = [status for pod in pods for status in _dicts(pod, "status", "containerStatuses")]
    if "Complete" in conditions:
        return Output(log or "[no output]")
    if "Failed" in conditions:
        return _failed(conditions["Failed"], statuses, log)
    for status in statuses:
        reason = str(_at(status, "state", "waiting", "reason") or "")
        if reason in _NEVER_STARTS and not _has_started(status):
            raise NotExecuted(f"container: cannot start: {reason}")
    return None


def exited(code: int, log: str, *, reason: str = "") -> Output:
    """Put the end of a container into words: its log, or the exit code and its log."""
    if code == 0:
        return Output(log or "[no output]")
    why = f" ({reason})" if reason and reason != "Error" else ""
    return Output(f"exit code {code}{why}\n{log}".rstrip(), is_error=True)


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """Expand `$(NAME)` and `$$` as Kubernetes does; for engines that do not do it themselves."""

    def replacement(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else environment.get(match[2], match[0])

    return _REFERENCE.sub(replacement, text)


def _owner(call: Call) -> dict[str, Any]:
    return {
        "apiVersion": call.api_version,
        "kind": call.kind,
        "name": call.name,
        "uid": call.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _pod(tool: ContainerTool, given: Invocation) -> dict[str, Any]:
    account = tool.service_account_name
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": account is not None,
        **({"serviceAccountName": account} if account else {}),
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(tool, given)],
    }


def _container(tool: ContainerTool, given: Invocation) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": CONTAINER_NAME,
        "image": tool.image,
        "env": [variable.model_dump(by_alias=True, exclude_none=True) for variable in given.env],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if given.command:
        container["command"] = list(given.command)
    if given.args:
        container["args"] = list(given.args)
    if tool.resources is not None:
        container["resources"] = tool.resources.model_dump(by_alias=True, exclude_none=True)
    return container


def _words(words: Sequence[str], known: Mapping[str, str | None]) -> tuple[str, ...]:
    return tuple(_filled(word, known) for word in words if not _is_absent(word, known))


def _is_absent(word: str, known: Mapping[str, str | None]) -> bool:
    match = _REFERENCE.fullmatch(word)
    return match is not None and match[2] in known and known[match[2]] is None


def _filled(text: str, known: Mapping[str, str | None]) -> str:
    """Fill in arguments, escaped for Kubernetes; `$$` and references to variables stay as they are."""

    def replacement(match: re.Match[str]) -> str:
        name = match[2]
        return (known[name] or "").replace("$", "$$") if name in known else match[0]

    return _REFERENCE.sub(replacement, text)


def _variable(variable: NamedValue, known: Mapping[str, str | None]) -> NamedValue:
    if not _ENV_NAME.fullmatch(variable.name):
        raise InvalidTool("env: not the name of a variable")
    if variable.name.startswith(_RESERVED):
        raise InvalidTool(f"env: {variable.name}: names that start with {_RESERVED} are for the arguments")
    if variable.value is None:
        return variable
    return variable.model_copy(update={"value": _filled(variable.value, known)})


def _argument_variables(arguments: Mapping[str, Any]) -> list[NamedValue]:
    variables = {"KUBECHAIN_ARGUMENTS": to_json(arguments)}
    for name, value in arguments.items():
        text = _text(value)
        if text is not None:
            variables.setdefault("KUBECHAIN_ARG_" + re.sub(r"[^A-Z0-9_]", "_", name.upper()), text)
    return [NamedValue(name=name, value=value.replace("$", "$$")) for name, value in variables.items()]


def _check_values(given: Invocation) -> None:
    for value in (*given.command, *given.args, *(variable.value or "" for variable in given.env)):
        if "\x00" in value:
            raise InvalidArguments("arguments: a program cannot be given a text with a zero character")
        if len(value.encode()) > MAX_VALUE_BYTES:
            raise InvalidArguments(f"arguments: longer than the {MAX_VALUE_BYTES} bytes that a program can be given")


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else to_json(value)


def _failed(condition: Mapping[str, Any], statuses: Sequence[Mapping[str, Any]], log: str) -> Output:
    if condition.get("reason") == "DeadlineExceeded":
        if statuses and not any(_has_started(status) for status in statuses):
            raise NotExecuted("container: did not start in time")
        raise Uncertain("timed out: the container was stopped")
    for status in statuses:
        terminated = _at(status, "state", "terminated")
        if isinstance(terminated, dict):
            ended = cast(dict[str, Any], terminated)
            return exited(int(ended.get("exitCode", 1)), log, reason=str(ended.get("reason", "")))
    raise Uncertain("container: it is gone, and how it ended is not known")


def _has_started(status: Mapping[str, Any]) -> bool:
    state = _at(status, "state")
    return bool(status.get("started") or status.get("restartCount")) or (
        isinstance(state, dict) and ("running" in state or "terminated" in state)
    )


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = cast(dict[str, Any], value).get(key) if isinstance(value, dict) else None
    return value


def _dicts(value: Any, *path: str) -> list[dict[str, Any]]:
    found = _at(value, *path)
    return [item for item in cast(list[Any], found) if isinstance(item, dict)] if isinstance(found, list) else []
