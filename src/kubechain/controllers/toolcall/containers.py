"""What runs a call's container: a Job where the API server has Jobs, else an engine of this machine.

The Job has a deterministic name and belongs to the call: a second attempt finds the first one's Job and waits for it,
so that a container never runs twice for one call. What must not go here: what a Job looks like (`kubechain.tools`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import orjson
from pydantic import SecretStr

from kubechain.api.meta import ObjectMeta
from kubechain.api.tool import ContainerTool
from kubechain.controllers.secrets import SecretReader
from kubechain.controllers.toolcall.executors import Prepared
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
from kubechain.tools.engine import ContainerEngine
from kubechain.tools.model import InvalidTool, NotExecuted, Output, Uncertain
from kubechain.tools.redaction import redacted

POLL_SECONDS = 0.5
POLL_MAX_SECONDS = 5.0
"""A Job is looked at, not watched: one watch for each call in flight would cost more than these reads."""

LOG_RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Between tries to read what a container wrote: it is the whole answer of the call, and nobody will ask again."""

NO_VERDICT = (TransportError, InternalError, ServerTimeout, ServiceUnavailable, TooManyRequests)
"""The way to the API server fails, or the server itself: a write may have been applied, a read may work soon."""

JOBS = "/apis/batch/v1/namespaces/{namespace}/jobs"


def _call_of(prepared: Prepared) -> container.Call:
    return container.Call(
        namespace=prepared.namespace, name=prepared.name, uid=prepared.uid, idempotency_key=prepared.key
    )


class Containers:
    """Runs containers, wherever that is possible here."""

    def __init__(self, client: Client, clock: Clock, engine: ContainerEngine, secrets: SecretReader) -> None:
        self._client = client
        self._cluster = ClusterContainers(client, clock)
        self._local = LocalContainers(engine)
        self._engine = engine
        self._secrets = secrets
        self._has_jobs: bool | None = None

    async def run(self, call: Prepared) -> Output:
        """Run a call's container and return what it wrote, without the secrets that it was given."""
        spec = call.tool.spec.execute.container if call.tool and call.tool.spec.execute else None
        if spec is None:
            raise InvalidTool(f'Tool "{call.offer.object}" says nothing about what a call does')
        try:
            place = self._cluster if await self.has_jobs() else self._local
            from_secrets = [entry for entry in spec.env if entry.value_from]
            hidden = await self._secrets.named_values(call.namespace, from_secrets)
        except (ApiError, TransportError) as error:
            raise NotExecuted(f"the API server does not answer: {error}"[:256]) from error
        output = await place.run(call, spec, hidden)
        return replace(output, content=redacted(output.content, hidden.values()))

    async def check(self) -> None:
        """See whether containers can be run here.

        Raises:
            EngineMissing: There are neither Jobs nor an engine; the message says what is missing.
            ApiError: The API server does not say.
            TransportError: The API server does not say.
        """
        if not await self.has_jobs():
            await self._engine.check()

    async def has_jobs(self) -> bool:
        """Whether the API server has Jobs; asked once, since that does not change under a running manager."""
        if self._has_jobs is None:
            try:
                await self._client.request("GET", "/apis/batch/v1")
                self._has_jobs = True
            except NotFound:
                self._has_jobs = False
        return self._has_jobs


@dataclass(frozen=True, slots=True)
class LocalContainers:
    """Containers on the machine of the embedded control plane."""

    engine: ContainerEngine

    async def run(self, call: Prepared, spec: ContainerTool, hidden: Mapping[str, SecretStr]) -> Output:
        """Run a call's container, and leave nothing of it behind."""
        try:
            return await self.engine.run(
                _call_of(call),
                spec,
                call.arguments,
                declared=declared_names(call),
                secrets=hidden,
                timeout_seconds=call.timeout_seconds,
            )
        finally:
            await asyncio.shield(self.engine.forget(_call_of(call)))


@dataclass(frozen=True, slots=True)
class ClusterContainers:
    """Containers as Jobs of the cluster."""

    client: Client
    clock: Clock

    async def run(self, call: Prepared, spec: ContainerTool, hidden: Mapping[str, SecretStr]) -> Output:
        """Make the call's Job, or find the one of an earlier attempt, and wait for its end.

        Args:
            hidden: Not used: the kubelet reads the Secrets.
        """
        del hidden
        job = container.job(
            _call_of(call),
            spec,
            call.arguments,
            declared=declared_names(call),
            timeout_seconds=call.timeout_seconds,
        )
        name = job["metadata"]["name"]
        await self._create(call, job)
        try:
            async with asyncio.timeout(call.timeout_seconds + POLL_MAX_SECONDS):
                return await self._awaited(call.namespace, name)
        except TimeoutError:
            raise Uncertain("timed out: the container was stopped") from None
        except NotExecuted:
            # It might start yet: gone first, then reported.
            await self._delete(call.namespace, name)
            raise
        except asyncio.CancelledError:
            await asyncio.shield(self._delete(call.namespace, name))
            raise

    async def _create(self, call: Prepared, job: dict[str, Any]) -> None:
        """Make the Job, or take over the one that an earlier attempt, or a request without an answer, made.

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

    async def _adopt(self, call: Prepared, path: str, failure: Exception) -> None:
        """See that a Job is there and is this very call's: another one's answer must not be taken for it."""
        try:
            job = orjson.loads(await self.client.request("GET", path))
        except NotFound:
            raise NotExecuted(f"the Job could not be created: {failure}") from failure
        except (ApiError, TransportError) as error:
            raise Uncertain(f"the Job may have been created: {error}") from error
        if all(owner["uid"] != call.uid for owner in job["metadata"].get("ownerReferences", [])):
            raise NotExecuted(f'Job "{job["metadata"]["name"]}" exists already and does not belong to this call')

    async def _awaited(self, namespace: str, name: str) -> Output:
        """Look until it is over. The Job goes on whether or not it can be looked at, so a failed look ends nothing."""
        wait = POLL_SECONDS
        while True:
            try:
                output = await self._look(namespace, name)
            except NO_VERDICT:
                output = None
            except ApiError as error:
                raise Uncertain(f"container: its Job cannot be read: {error}") from error
            if output is not None:
                return output
            await self.clock.sleep(wait)
            wait = min(wait * 1.5, POLL_MAX_SECONDS)

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
            # The Job belongs to the call and has a deadline: it ends without us.
            return


def _is_over(job: dict[str, Any]) -> bool:
    conditions = job.get("status", {}).get("conditions", [])
    return any(one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in conditions)


def declared_names(call: Prepared) -> list[str]:
    """Names of all arguments that the tool's schema knows."""
    return list(call.offer.parameters.get("properties", {}))
