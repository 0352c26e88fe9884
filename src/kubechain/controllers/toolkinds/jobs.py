"""Runs a call's container as a Job.

The Job has a deterministic name and is owned by the call: a second attempt finds the Job of the first one and waits for
it, so that a container never runs twice for one call. What must not go here: the manifest of a Job
(`kubechain.tools.container`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from kubechain.api.meta import ObjectMeta
from kubechain.api.tool import ContainerTool
from kubechain.controllers.toolkinds.model import Invocation
from kubechain.net.backoff import Backoff
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import (
    AlreadyExists,
    ApiError,
    InternalError,
    NotFound,
    ServerTimeout,
    ServiceUnavailable,
    TooManyRequests,
    TransportError,
)
from kubechain.tools import container
from kubechain.tools.model import InvalidTool, NotExecuted, Output, Uncertain

POLL = Backoff(initial_seconds=0.5, max_seconds=5.0, factor=1.5)
"""A Job is polled, not watched: one watch for each call in flight would cost more than these reads."""

LOG_RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Between tries to read the log of a container: it is the whole result of the call, and it is read once."""

NO_VERDICT = (TransportError, InternalError, ServerTimeout, ServiceUnavailable, TooManyRequests)
"""The connection or the server fails: a write may have been applied, a read may work soon."""

JOBS = "/apis/batch/v1/namespaces/{namespace}/jobs"


def call_of(call: Invocation) -> container.Call:
    """The call as `kubechain.tools.container` knows it."""
    return container.Call(namespace=call.namespace, name=call.name, uid=call.uid, idempotency_key=call.key)


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs of the cluster, one for each call."""

    client: Client
    clock: Clock

    async def run(self, call: Invocation, spec: ContainerTool) -> Output:
        """Create the call's Job, or find the one of an earlier attempt, and wait for its end."""
        job = container.job(
            call_of(call),
            spec,
            call.arguments,
            declared=declared_names(call),
            timeout_seconds=call.timeout_seconds,
        )
        name = job["metadata"]["name"]
        await self._create(call, job)
        try:
            async with asyncio.timeout(call.timeout_seconds + POLL.max_seconds):
                return await self._awaited(call.namespace, name)
        except TimeoutError:
            raise Uncertain("timed out: the container was stopped") from None
        except NotExecuted:
            # It might start later: delete it first, then report.
            await self._delete(call.namespace, name)
            raise
        except asyncio.CancelledError:
            await asyncio.shield(self._delete(call.namespace, name))
            raise

    async def _create(self, call: Invocation, job: dict[str, Any]) -> None:
        """Create the Job, or adopt the one that an earlier attempt, or a request without an answer, created.

        Raises:
            NotExecuted: There is no Job of this call.
        """
        path = JOBS.format(namespace=call.namespace)
        try:
            await self.client.request("POST", path, body=orjson.dumps(job))
        except NotFound as error:
            raise InvalidTool(f"this control plane has no Jobs: {error}") from error
        except (AlreadyExists, *NO_VERDICT) as error:
            await self._adopt(call, f"{path}/{job['metadata']['name']}", error)
        except ApiError as error:
            raise NotExecuted(f"the Job was refused: {error}") from error

    async def _adopt(self, call: Invocation, path: str, failure: Exception) -> None:
        """See that the Job exists and is owned by this call: the log of another call's Job is not its result."""
        try:
            job = orjson.loads(await self.client.request("GET", path))
        except NotFound:
            raise NotExecuted(f"the Job could not be created: {failure}") from failure
        except (ApiError, TransportError) as error:
            raise Uncertain(f"the Job may have been created: {error}") from error
        if all(owner["uid"] != call.uid for owner in job["metadata"].get("ownerReferences", [])):
            raise NotExecuted(f'Job "{job["metadata"]["name"]}" exists already and does not belong to this call')

    async def _awaited(self, namespace: str, name: str) -> Output:
        """Poll until the Job is over. It goes on whether or not it can be read, so a failed read ends nothing."""
        polls = 0
        while True:
            try:
                output = await self._look(namespace, name)
            except NO_VERDICT:
                output = None
            except ApiError as error:
                raise Uncertain(f"container: its Job cannot be read: {error}") from error
            if output is not None:
                return output
            await self.clock.sleep(POLL.seconds(polls))
            polls += 1

    async def _look(self, namespace: str, name: str) -> Output | None:
        job = await self._get(f"{JOBS.format(namespace=namespace)}/{name}")
        pods = await self._pods(namespace, name)
        log = await self._log(namespace, pods) if _is_over(job) else ""
        return container.outcome(job, pods, log)

    async def _get(self, path: str) -> dict[str, Any]:
        try:
            return orjson.loads(await self.client.request("GET", path))
        except NotFound:
            raise Uncertain("container: its Job is gone, and how it ended is not known") from None

    async def _pods(self, namespace: str, name: str) -> list[dict[str, Any]]:
        selector = quote(f"batch.kubernetes.io/job-name={name}")
        found = await self._get(f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")
        return found["items"]

    async def _log(self, namespace: str, pods: list[dict[str, Any]]) -> str:
        if not pods:
            return ""
        pod = ObjectMeta.model_validate(pods[-1]["metadata"]).name
        query = f"container={container.CONTAINER_NAME}&limitBytes={container.LOG_LIMIT_BYTES}"
        path, waits = f"/api/v1/namespaces/{namespace}/pods/{pod}/log?{query}", iter(LOG_RETRY_SECONDS)
        while True:
            try:
                return (await self.client.request("GET", path)).decode(errors="replace")
            except (ApiError, TransportError) as error:
                wait = next(waits, None) if isinstance(error, NO_VERDICT) else None
                if wait is None:
                    return f"[the log cannot be read: {error}]"
                await self.clock.sleep(wait)

    async def _delete(self, namespace: str, name: str) -> None:
        body = orjson.dumps({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"})
        try:
            await self.client.request("DELETE", f"{JOBS.format(namespace=namespace)}/{name}", body=body)
        except (ApiError, TransportError):
            # The Job is owned by the call and has a deadline: it ends without this request.
            return


def _is_over(job: dict[str, Any]) -> bool:
    conditions = job.get("status", {}).get("conditions", [])
    return any(one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in conditions)


def declared_names(call: Invocation) -> list[str]:
    """Names of all arguments that the tool's schema knows."""
    return list(call.offer.parameters.get("properties", {}))
