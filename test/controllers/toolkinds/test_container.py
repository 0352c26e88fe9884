"""A call's Job: made once, found again, looked at through failures, and never taken for another call's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from pydantic import SecretStr

from kubechain.api.taskrun import ToolCallType
from kubechain.api.tool import ContainerTool, Tool, ToolExecute, ToolSpec
from kubechain.controllers.toolkinds.container import Containers
from kubechain.controllers.toolkinds.model import Invocation, tool_offer
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import AlreadyExists, Forbidden, NotFound, ServiceUnavailable, TransportError
from kubechain.tools.engine import ContainerEngine
from kubechain.tools.model import NotExecuted, Output, Uncertain
from test.controllers.builders import meta

UID = "55555555-5555-5555-5555-555555555555"
SECRET = "s3cr3t-canary"
JOB = "/apis/batch/v1/namespaces/default/jobs/hello-1-t0-c0"
POST = "POST /apis/batch/v1/namespaces/default/jobs"

Answer = dict[str, Any] | bytes | Exception


def a_job(*conditions: str, uid: str = UID) -> dict[str, Any]:
    metadata = {"name": "hello-1-t0-c0", "ownerReferences": [{"uid": uid}]}
    return {"metadata": metadata, "status": {"conditions": [{"type": one, "status": "True"} for one in conditions]}}


class Cluster:
    """An API server that answers from a script: for each request a list of answers, the last of which repeats."""

    def __init__(self, **answers: list[Answer]) -> None:
        """Take what is told of the Job; the rest is as in any cluster."""
        self._answers: dict[str, list[Answer]] = {
            "GET /apis/batch/v1": [{}],
            POST: answers.get("post", [{}]),
            f"GET {JOB}": answers.get("get", [a_job("Complete")]),
            f"DELETE {JOB}": [{}],
            "GET /api/v1/namespaces/default/pods": [{"items": [{"metadata": {"name": "pod", "namespace": "default"}}]}],
            "GET /api/v1/namespaces/default/pods/pod/log": [f"it said {SECRET}".encode()],
        }
        self.requests: list[str] = []
        self.job_was_read = asyncio.Event()

    async def request(self, method: str, target: str, **_: Any) -> bytes:
        asked = f"{method} {target.partition('?')[0]}"
        self.requests.append(asked)
        if asked == f"GET {JOB}":
            self.job_was_read.set()
        left = self._answers[asked]
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


class Secrets:
    """One value for every variable."""

    async def named_values(self, namespace: str, given: list[Any]) -> dict[str, SecretStr]:
        return {"TOKEN": SecretStr(SECRET)}


SPEC = ContainerTool(image="busybox")


def a_call() -> Invocation:
    tool = Tool(metadata=meta("look"), spec=ToolSpec(execute=ToolExecute(container=SPEC)))
    return Invocation(
        namespace="default",
        name="hello-1-t0-c0",
        uid=UID,
        offer=tool_offer(tool, "look", ToolCallType.CONTAINER),
        arguments={},
        key="key",
        timeout_seconds=60,
        results=dict,
    )


def containers(cluster: Cluster) -> Containers:
    engine = ContainerEngine(which=lambda program: None)
    return Containers(cast(Any, cluster), LoopClock(), engine, cast(Any, Secrets()))


async def test_what_a_container_says_comes_back_without_the_secrets_it_was_given() -> None:
    assert await containers(Cluster()).run(a_call(), SPEC) == Output("it said [redacted]")


@pytest.mark.parametrize(
    "post",
    [
        pytest.param(AlreadyExists(409, "AlreadyExists", "taken"), id="an earlier attempt made it"),
        pytest.param(TransportError("reset"), id="the reply was lost"),
        pytest.param(ServiceUnavailable(503, "", "busy"), id="the server failed after it had made it"),
    ],
)
async def test_a_job_that_is_there_is_waited_for(post: Exception) -> None:
    cluster = Cluster(post=[post])
    assert (await containers(cluster).run(a_call(), SPEC)).content == "it said [redacted]"
    assert cluster.requests.count(POST) == 1


async def test_a_job_that_was_not_made_is_no_job() -> None:
    cluster = Cluster(post=[TransportError("reset")], get=[NotFound(404, "NotFound", "no")])
    with pytest.raises(NotExecuted, match="could not be created"):
        await containers(cluster).run(a_call(), SPEC)


async def test_the_job_of_an_earlier_call_of_the_same_name_is_neither_taken_nor_deleted() -> None:
    cluster = Cluster(post=[AlreadyExists(409, "AlreadyExists", "taken")], get=[a_job("Complete", uid="another")])
    with pytest.raises(NotExecuted, match="does not belong to this call"):
        await containers(cluster).run(a_call(), SPEC)
    assert f"DELETE {JOB}" not in cluster.requests


async def test_looks_that_fail_end_nothing() -> None:
    hiccups: list[Answer] = [TransportError("reset"), ServiceUnavailable(503, "", "busy"), a_job(), a_job("Complete")]
    assert (await containers(Cluster(get=hiccups)).run(a_call(), SPEC)).content == "it said [redacted]"


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param(lambda: NotFound(404, "NotFound", "no"), id="somebody deleted it"),
        pytest.param(lambda: Forbidden(403, "Forbidden", "no"), id="it may not be read"),
    ],
)
async def test_a_job_whose_end_cannot_be_seen_is_uncertain(gone: Callable[[], Exception]) -> None:
    with pytest.raises(Uncertain):
        await containers(Cluster(get=[a_job(), gone()])).run(a_call(), SPEC)


async def test_a_cancelled_call_takes_its_job_with_it() -> None:
    cluster = Cluster(get=[a_job()])
    running = asyncio.create_task(containers(cluster).run(a_call(), SPEC))
    await cluster.job_was_read.wait()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    assert cluster.requests[-1] == f"DELETE {JOB}"
