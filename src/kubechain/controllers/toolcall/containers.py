"""What runs a call's container: a Job where the API server has Jobs, else an engine of this machine.

The Job has a deterministic name and belongs to the call: a second attempt finds the first one's Job and waits for it,
so that a container never runs twice for one call. What must not go here: what a Job looks like (``kubechain.tools``).
"""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
from pydantic import SecretStr

from kubechain.api.meta import ObjectMeta
from kubechain.controllers.secrets import SecretReader
from kubechain.controllers.toolcall.executors import Prepared
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import AlreadyExists, ApiError, NotFound, TransportError
from kubechain.tools import container
from kubechain.tools.engine import ContainerEngine
from kubechain.tools.model import InvalidTool, NotExecuted, Output, Uncertain

POLL_SECONDS = 0.5
POLL_MAX_SECONDS = 5.0
"""A Job is looked at, not watched: one watch for each call in flight would cost more than these reads."""

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
        self._local = LocalContainers(engine, secrets)
        self._engine = engine
        self._has_jobs: bool | None = None

    async def run(self, call: Prepared) -> Output:
        """Run a call's container and return what it wrote."""
        return await (self._cluster.run(call) if await self.has_jobs() else self._local.run(call))

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
    secrets: SecretReader

    async def run(self, call: Prepared) -> Output:
        """Run a call's container, and forget it when its output is here."""
        spec = call.tool.spec.execute.container if call.tool and call.tool.spec.execute else None
        if spec is None:
            raise InvalidTool(f'Tool "{call.offer.object}" says nothing about what a call does')
        hidden: dict[str, SecretStr] = await self.secrets.named_values(
            call.namespace, [entry for entry in spec.env if entry.value_from]
        )
        output = await self.engine.run(
            _call_of(call),
            spec,
            call.arguments,
            declared=declared_names(call),
            secrets=hidden,
            timeout_seconds=call.timeout_seconds,
        )
        await self.engine.forget(_call_of(call))
        return output


@dataclass(frozen=True, slots=True)
class ClusterContainers:
    """Containers as Jobs of the cluster."""

    client: Client
    clock: Clock

    async def run(self, call: Prepared) -> Output:
        """Make the call's Job, or find the one of an earlier attempt, and wait for its end."""
        spec = call.tool.spec.execute.container if call.tool and call.tool.spec.execute else None
        if spec is None:
            raise InvalidTool(f'Tool "{call.offer.object}" says nothing about what a call does')
        job = container.job(
            _call_of(call),
            spec,
            call.arguments,
            declared=declared_names(call),
            timeout_seconds=call.timeout_seconds,
        )
        name = job["metadata"]["name"]
        await self._create(call.namespace, job)
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

    async def _create(self, namespace: str, job: dict[str, Any]) -> None:
        try:
            await self.client.request("POST", JOBS.format(namespace=namespace), body=orjson.dumps(job))
        except AlreadyExists:
            return
        except NotFound as error:
            raise InvalidTool(f"this control plane has no Jobs: {error}") from error
        except ApiError as error:
            raise NotExecuted(f"the Job was refused: {error}") from error
        except TransportError as error:
            raise NotExecuted(f"the Job could not be created: {error}") from error

    async def _awaited(self, namespace: str, name: str) -> Output:
        wait = POLL_SECONDS
        while True:
            job = await self._get(f"{JOBS.format(namespace=namespace)}/{name}")
            pods = await self._pods(namespace, name)
            log = await self._log(namespace, pods) if _is_over(job) else ""
            output = container.outcome(job, pods, log)
            if output is not None:
                return output
            await self.clock.sleep(wait)
            wait = min(wait * 1.5, POLL_MAX_SECONDS)

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
        try:
            raw = await self.client.request("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log?{query}")
        except (ApiError, TransportError) as error:
            return f"[the log cannot be read: {error}]"
        return raw.decode(errors="replace")

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
