"""Builds the Job that runs the container of a call in a cluster. Pure.

The caller creates, watches and deletes the Job, and `podstate` reads what became of it; `engine` runs the same
container without a cluster. The Job is named after the call and owned by it: after a crash, a manager finds the Job by
its name, and Kubernetes deletes the Job together with the call. A container starts at most once, without retries or
restarts.

The command, the args and the variables of a Tool may contain `$(name)`, a reference to an argument. This module
replaces it; no shell is involved. Kubernetes expands `$(NAME)` from the environment, which holds the secrets of the
Tool. Each `$` in an argument is therefore doubled, so that an argument that looks like a reference stays text.

Arguments cannot choose the name of a variable: they are passed as `KUBECHAIN_ARGUMENTS` (JSON) and
`KUBECHAIN_ARG_<NAME>`. The author of a Tool may set any other variable, including `PATH` and `LD_PRELOAD`, because it
only affects the image that the author chose.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubechain.api.names import label_value, shortened
from kubechain.api.references import NamedValue
from kubechain.api.tool import ContainerTool
from kubechain.tools import containerspec
from kubechain.tools.arguments import to_json
from kubechain.tools.model import InvalidArguments, InvalidTool

CONTAINER_NAME = "tool"

DEFAULT_TIMEOUT_SECONDS = 300
"""Timeout when the Tool sets none: enough for most commands, and an acceptable wait for a run."""

DEADLINE_SLACK_SECONDS = 120
"""The manager keeps the timeout, because the Job controller deletes the Pod together with its log. This is how much
later the Job controller acts, where no manager runs."""

TTL_SECONDS_AFTER_FINISHED = 3600
"""How long a finished Job is kept for debugging; the result is recorded in the call much earlier."""

LOG_LIMIT_BYTES = 256 * 1024
"""Maximum size of the log to read, chosen to fit into a context window."""

MAX_VALUE_BYTES = 96 * 1024
"""Maximum size of one argument or variable; the limit of Linux is 128 KiB."""

USER_ID = 65532
"""User id of the container: the `nonroot` user of common images, a user without an entry in other images."""

ANNOTATION_IDEMPOTENCY_KEY = "kubechain.humanlayer.dev/idempotency-key"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"

_MAX_JOB_NAME = 63
"""Maximum length of a label value; the name of a Job becomes a label of its Pod."""

_REFERENCE = re.compile(r"\$(\$|\(([A-Za-z_][A-Za-z0-9_.-]*)\))")
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_RESERVED = "KUBECHAIN_ARG"


@dataclass(frozen=True, slots=True)
class Call:
    """The TaskRunToolCall that a container runs for.

    Attributes:
        api_version: Goes into the owner reference of the Job, with `kind`, `name` and `uid`.
        idempotency_key: Key that is the same for each attempt of this call.
        labels: Labels for the Job and its Pod, such as those of the Task and the TaskRun.
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
    """Command, args and environment after the arguments were inserted, before Kubernetes expands them."""

    command: tuple[str, ...]
    args: tuple[str, ...]
    env: tuple[NamedValue, ...]


def job_name(call: Call) -> str:
    """Return the name of the Job of a call; deterministic, so that the Job is created only once."""
    return shortened(call.name, _MAX_JOB_NAME).lower()


def invocation(tool: ContainerTool, arguments: Mapping[str, Any], *, declared: Collection[str] = ()) -> Invocation:
    """Insert the arguments into the command, the args and the variables of a container.

    Args:
        tool: Container of the Tool.
        arguments: Validated arguments.
        declared: Names of all arguments in the schema. An element of the command or the args that consists only of a
            reference to a missing argument is left out. References to other names are left for Kubernetes to expand.

    Raises:
        InvalidTool: The image, a quantity or a variable is invalid.
        InvalidArguments: A value cannot be passed to a program.
    """
    containerspec.check(tool)
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
    """Build the Job for a call.

    Raises:
        InvalidTool: The image, a quantity or a variable is invalid.
        InvalidArguments: A value cannot be passed to a program.
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
            "activeDeadlineSeconds": max(1, round(deadline)) + DEADLINE_SLACK_SECONDS,
            "ttlSecondsAfterFinished": TTL_SECONDS_AFTER_FINISHED,
            "template": {
                "metadata": {"labels": labels},
                "spec": _pod(tool, invocation(tool, arguments, declared=declared)),
            },
        },
    }


def variables_of(job: Mapping[str, Any]) -> list[NamedValue]:
    """Return the variables that the container of a Job was given."""
    (given,) = [one for one in job["spec"]["template"]["spec"]["containers"] if one["name"] == CONTAINER_NAME]
    return [NamedValue.model_validate(variable) for variable in given.get("env", [])]


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """Expand `$(NAME)` and `$$` as Kubernetes does, for engines that do not expand them."""

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
    """Insert arguments, escaped for Kubernetes; `$$` and references to variables stay unchanged."""

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
