"""Follows the Pods of one Job: what they are now, what they were when they went, and when to look again.

The watch says that something changed, and what the last state of a Pod was that is gone. Each look reads Job and Pods
from the server, so that a watch that breaks, or that is not permitted, costs time, and whether a container that was
given up has started is then not known. The watch begins with the first list, and when it is opened again it goes on
where it was.

An earlier Job of the same name, which an attempt that did not start has deleted, may still have a Pod that is ending.
What became of that Pod says nothing about this Job.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from kubechain.net.backoff import Backoff
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import ApiError, NotFound, TransportError
from kubechain.runtime.tasks import finish
from kubechain.tools.podstate import Seen

REOPEN = Backoff(initial_seconds=1.0, max_seconds=30.0)
"""Between two watches that failed."""

JOBS = "/apis/batch/v1/namespaces/{namespace}/jobs"
PODS = "/api/v1/namespaces/{namespace}/pods"
EVENTS = "/api/v1/namespaces/{namespace}/events"


@asynccontextmanager
async def following(client: Client, clock: Clock, namespace: str, job: str) -> AsyncGenerator[PodWatch]:
    """Watch the Pods of a Job while the body runs."""
    watch = PodWatch(client, clock, namespace, job)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await finish(task)


class PodWatch:
    """The Pods of one Job."""

    def __init__(self, client: Client, clock: Clock, namespace: str, job: str) -> None:
        """Know nothing yet; use `following`."""
        self._client, self._clock = client, clock
        self._job_path = f"{JOBS.format(namespace=namespace)}/{job}"
        self._pods_path = PODS.format(namespace=namespace)
        self._events_path = EVENTS.format(namespace=namespace)
        self._selector = {"labelSelector": f"batch.kubernetes.io/job-name={job}"}
        self._job_uid = ""
        self._pods: dict[str, dict[str, Any]] = {}
        self._removed, self._missing = set[str](), set[str]()
        self._version = ""
        self._listed = asyncio.Event()
        self._changed = asyncio.Event()

    async def look(self) -> Seen:
        """Read Job and Pods, without Events.

        Raises:
            ApiError: One of them cannot be read.
            TransportError: One of them cannot be read.
        """
        self._changed.clear()
        job = await self.job()
        await self._read_pods()
        return Seen(job, tuple(self.known()), removed=frozenset(self._removed), missing=frozenset(self._missing))

    async def job(self) -> dict[str, Any] | None:
        """Read the Job; None when there is none."""
        try:
            job: dict[str, Any] = orjson.loads(await self._client.request("GET", self._job_path))
        except NotFound:
            return None
        self._job_uid = job["metadata"]["uid"]
        return job

    async def _read_pods(self) -> None:
        query = urlencode(self._selector, quote_via=quote)
        found = orjson.loads(await self._client.request("GET", f"{self._pods_path}?{query}"))
        self._version = self._version or found["metadata"]["resourceVersion"]
        self._listed.set()
        present = {pod["metadata"]["name"]: pod for pod in found["items"]}
        # The last state of a Pod is newer than a list that has it.
        self._pods |= {name: pod for name, pod in present.items() if name not in self._removed}
        self._missing = set(self._pods) - set(present) - self._removed

    async def events(self, seen: Seen) -> list[dict[str, Any]]:
        """Read the Events of the newest Pod, or of the Job while it has none; empty where that is not permitted."""
        about = seen.pods[-1] if seen.pods else seen.job
        if about is None:
            return []
        uid = about["metadata"]["uid"]
        query = urlencode({"fieldSelector": f"involvedObject.uid={uid}"}, quote_via=quote)
        try:
            return orjson.loads(await self._client.request("GET", f"{self._events_path}?{query}"))["items"]
        except (ApiError, TransportError):
            return []

    def known(self) -> list[dict[str, Any]]:
        """The Pods as they were last seen, those that are gone too."""
        return [pod for pod in self._pods.values() if self._is_of_job(pod)]

    async def wait(self, seconds: float) -> None:
        """Wait until a Pod has changed since the last look, but no longer than `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def run(self) -> None:
        """Watch until cancelled, from the first look on."""
        failures = 0
        await self._listed.wait()
        while True:
            try:
                async with self._client.stream(self._watch_target()) as lines:
                    async for line in lines:
                        self._note(orjson.loads(line))
                        failures = 0
            except (TransportError, ValueError):
                failures += 1
            except ApiError:  # Expired, for one: what happened since is lost
                failures += 1
                self._version = ""
            await self._clock.sleep(REOPEN.seconds(failures))

    def _watch_target(self) -> str:
        parameters = {"watch": "true", "allowWatchBookmarks": "true", **self._selector}
        parameters |= {"resourceVersion": self._version} if self._version else {}
        return f"{self._pods_path}?{urlencode(parameters, quote_via=quote)}"

    def _is_of_job(self, pod: dict[str, Any]) -> bool:
        """Whether a Pod is one of the Job that was last read; of any Job of its name before the first is."""
        owners = pod["metadata"].get("ownerReferences", [])
        return not self._job_uid or any(owner["uid"] == self._job_uid for owner in owners)

    def _note(self, event: dict[str, Any]) -> None:
        """Take one event of the watch; one of type ERROR says that the watch cannot go on where it was."""
        metadata = event["object"].get("metadata", {})
        self._version = metadata.get("resourceVersion", "") if event["type"] != "ERROR" else ""
        if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
            return
        name: str = metadata["name"]
        self._pods[name] = event["object"]
        if event["type"] == "DELETED":
            self._removed.add(name)
            self._missing.discard(name)
        self._changed.set()
