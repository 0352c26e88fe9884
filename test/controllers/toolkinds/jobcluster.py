"""An API server with one Job and its Pod, on which a test acts as Job controller, kubelet and garbage collector."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import parse_qs

from pydantic import SecretStr

from kubechain.api.taskrun import ToolCallType
from kubechain.api.tool import ContainerTool, Tool, ToolExecute, ToolSpec
from kubechain.controllers.toolkinds.container import Containers
from kubechain.controllers.toolkinds.model import Invocation, Tell, tell_nobody, tool_offer
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import AlreadyExists, ApiError, Conflict, Expired, NotFound
from kubechain.tools.engine import ContainerEngine
from test.controllers.builders import meta

UID = "55555555-5555-5555-5555-555555555555"
SECRET = "s3cr3t-canary"
NAME = "hello-1-t0-c0"
JOB = f"/apis/batch/v1/namespaces/default/jobs/{NAME}"
POST = "POST /apis/batch/v1/namespaces/default/jobs"
PODS = "/api/v1/namespaces/default/pods"
EVENTS = "/api/v1/namespaces/default/events"

JsonObject = dict[str, Any]
Failure = ApiError | Exception


def an_owned_job(*, uid: str = UID, **metadata: Any) -> JsonObject:
    """The Job as an earlier process made it."""
    env = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    pod = {"containers": [{"name": "tool", "image": "busybox:1", "env": env}]}
    about = {"name": NAME, "uid": "job-uid", "ownerReferences": [{"uid": uid}], **metadata}
    return {"metadata": about, "spec": {"template": {"spec": pod}}, "status": {}}


class Secrets:
    """One value for every variable.

    Attributes:
        doubted: Names of the Secrets that are to be read again, whenever they were read last.
    """

    def __init__(self) -> None:
        self.doubted: list[str] = []

    def doubt(self, namespace: str, name: str, *, older_than_seconds: float) -> bool:
        """Note it."""
        self.doubted.extend([name] if older_than_seconds == 0.0 else [])
        return True

    async def named_values(self, namespace: str, given: list[Any]) -> dict[str, SecretStr]:
        """The value, by name."""
        return {variable.name: SecretStr(SECRET) for variable in given} or {"TOKEN": SecretStr(SECRET)}


class JobCluster:
    """Answers requests and watches; everything else is done by the test, now or `later`.

    Attributes:
        requests: Verb and path of each request.
        failures: What requests fail with, by verb and path; each once.
        gate: Closed, it holds every request back; `is_asked` is set by the first one.
        when_made: Called once the Job is created.
        collects: Whether a deleted Job goes at once, its Pod ended by its node. Otherwise the test acts as garbage
            collector and node.
        deleted: Options of the requests that deleted the Job.
        others: Pods of other Jobs of the same name.
    """

    def __init__(self, *, job: JsonObject | None = None, log: str = f"it said {SECRET}") -> None:
        """Begin with a Job, or without."""
        self.job, self.pod, self.events, self.log = job, None, list[JsonObject](), log
        self.pod: JsonObject | None
        self.requests: list[str] = []
        self.failures: dict[str, list[Failure]] = {}
        self.when_made: Callable[[], None] = lambda: None
        self.collects = True
        self.can_watch = True
        self.deleted: list[JsonObject] = []
        self.accounts: list[str] = []
        self.others: list[JsonObject] = []
        self.gate, self.is_asked = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self._watches: list[asyncio.Queue[bytes | None]] = []
        self._said: list[bytes] = []
        self._forgotten = 0

    # --- what the cluster does

    def later(self, seconds: float, act: Callable[..., None], *arguments: Any) -> None:
        """Do something after a while."""
        asyncio.get_running_loop().call_later(seconds, act, *arguments)

    def set_pod(self, *, node: str = "node-1", conditions: list[JsonObject] | None = None, **state: Any) -> None:
        """The Pod gets another state: waiting, running or terminated."""
        statuses = [{"name": "tool", "state": state, "started": "running" in state}] if state else []
        owners = [{"kind": "Job", "name": NAME, "uid": "job-uid"}]
        metadata = {"name": f"{NAME}-pod", "namespace": "default", "uid": "pod-uid", "ownerReferences": owners}
        spec = {"nodeName": node, "containers": [{"name": "tool", "image": "busybox:1"}]}
        status = {"containerStatuses": statuses, "conditions": conditions or []}
        self.pod = {"metadata": metadata, "spec": spec, "status": status}
        self._tell("MODIFIED", self.pod)

    def end(self, condition: str = "Complete", reason: str = "") -> None:
        """The Job controller ends the Job."""
        assert self.job is not None
        self.job["status"] = {"conditions": [{"type": condition, "status": "True", "reason": reason}]}

    def say(self, reason: str, message: str, *, type: str = "Warning") -> None:
        """Somebody records an Event."""
        told: JsonObject = {
            "type": type,
            "reason": reason,
            "message": message,
            "lastTimestamp": f"2026-01-{len(self.events):02}",
        }
        self.events.append(told)

    def collect(self) -> None:
        """The Job goes, with its Pod; where a node has that, it ends it first and says how."""
        if self.pod is not None and self.pod["spec"]["nodeName"]:
            self.end_pod()
        self.remove()

    def mark(self) -> None:
        """The garbage collector marks the Pod as deleted; its node has still to end it."""
        assert self.pod is not None
        self.pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self._tell("MODIFIED", self.pod)

    def end_pod(self) -> None:
        """The node ends a deleted Pod. A container that it does not have is reported as kubelet does it."""
        assert self.pod is not None
        status, [state] = self.pod["status"], [one["state"] for one in self.pod["status"]["containerStatuses"]] or [{}]
        exit = {"reason": "Error"} if "running" in state else {"reason": "ContainerStatusUnknown"}
        ended = {"name": "tool", "state": {"terminated": {"exitCode": 137, **exit}}}
        if "terminated" not in state:
            status.update(phase="Failed", containerStatuses=[ended])
        self._tell("MODIFIED", self.pod)

    def remove(self) -> None:
        """Job and Pod are removed from the API server, whatever a node knows."""
        self.job, pod, self.pod = None, self.pod, None
        if pod is not None:
            self._tell("DELETED", pod)

    def end_watches(self) -> None:
        """The server ends each watch, as it does now and then."""
        for watch in self._watches:
            watch.put_nowait(None)

    def forget(self) -> None:
        """A watch can begin no earlier than now."""
        self._forgotten = len(self._said)

    def _tell(self, change: str, obj: JsonObject) -> None:
        metadata = {**obj["metadata"], "resourceVersion": str(len(self._said) + 1)}
        self._said.append(json.dumps({"type": change, "object": {**obj, "metadata": metadata}}).encode())
        for watch in self._watches:
            watch.put_nowait(self._said[-1])

    # --- what it is asked

    async def request(self, method: str, target: str, *, body: bytes | None = None, **options: Any) -> bytes:
        """Answer one request."""
        del options
        path, _, query = target.partition("?")
        asked = f"{method} {path}"
        self.requests.append(asked)
        self.is_asked.set()
        await self.gate.wait()
        if self.failures.get(asked):
            raise self.failures[asked].pop(0)
        found: JsonObject | bytes = self._answer(method, path, parse_qs(query), body)
        return found if isinstance(found, bytes) else json.dumps(found).encode()

    def _answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes | None) -> JsonObject | bytes:
        match method, path:
            case "GET", "/apis/batch/v1":
                return {}
            case "POST", _ if "dryRun" in query:
                return {}
            case "POST", _:
                return self._make(json.loads(body or b"{}"))
            case "DELETE", _:
                return self._delete(json.loads(body or b"{}"))
            case _:
                return self._read(path, query)

    def _read(self, path: str, query: dict[str, list[str]]) -> JsonObject | bytes:
        if path == JOB:
            return self._existing()
        if "/serviceaccounts/" in path:
            return self._account(path.rpartition("/")[2])
        if path == PODS:
            metadata = {"resourceVersion": str(len(self._said))}
            return {"metadata": metadata, "items": [*self.others, *([self.pod] if self.pod else [])]}
        return {"items": self.events} if path == EVENTS else self._log(query)

    def _make(self, job: JsonObject) -> JsonObject:
        if self.job is not None:
            raise AlreadyExists(409, "AlreadyExists", "taken")
        self.job = job
        job["metadata"]["uid"] = "job-uid"
        self.when_made()
        return job

    def _delete(self, options: JsonObject) -> JsonObject:
        job = self._existing()
        if options["preconditions"]["uid"] != job["metadata"]["uid"]:
            raise Conflict(409, "Conflict", "the uid is another one")
        self.deleted.append(options)
        if self.collects:
            self.collect()
        elif options["propagationPolicy"] == "Foreground":
            job["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        else:
            self.job = None
        return {}

    def _existing(self) -> JsonObject:
        if self.job is None:
            raise NotFound(404, "NotFound", "no such Job")
        return self.job

    def _account(self, name: str) -> JsonObject:
        if name not in self.accounts:
            raise NotFound(404, "NotFound", "no such ServiceAccount")
        return {}

    def _log(self, query: dict[str, list[str]]) -> bytes:
        if self.pod is None:
            raise NotFound(404, "NotFound", "no such Pod")
        lines = self.log.encode().splitlines(keepends=True)
        if "tailLines" in query:
            lines = lines[-int(query["tailLines"][0]) :]
        return b"".join(lines)[: int(query["limitBytes"][0])]

    @asynccontextmanager
    async def stream(self, target: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Watch the Pod, from a version that is given."""
        if not self.can_watch:
            raise ApiError(403, "Forbidden", "no")
        watch = asyncio.Queue[bytes | None]()
        [version] = parse_qs(target).get("resourceVersion", [str(len(self._said))])
        if int(version) < self._forgotten:
            raise Expired(410, "Expired", "too old resource version")
        for said in self._said[int(version) :]:
            watch.put_nowait(said)
        self._watches.append(watch)

        async def lines() -> AsyncIterator[bytes]:
            while (line := await watch.get()) is not None:
                yield line

        try:
            yield lines()
        finally:
            self._watches.remove(watch)


TOKEN = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
SPEC = ContainerTool.model_validate({"image": "busybox:1", "env": [TOKEN]})


def a_call(*, timeout_seconds: float = 60, tell: Tell = tell_nobody) -> Invocation:
    """A claimed call of a Tool with a container."""
    tool = Tool(metadata=meta("look"), spec=ToolSpec(execute=ToolExecute(container=SPEC)))
    return Invocation(
        namespace="default",
        name=NAME,
        uid=UID,
        offer=tool_offer(tool, "look", ToolCallType.CONTAINER),
        arguments={},
        key="key",
        timeout_seconds=timeout_seconds,
        results=dict,
        tell=tell,
    )


def containers(cluster: JobCluster) -> Containers:
    """What runs containers, on this cluster."""
    engine = ContainerEngine(which=lambda program: None)
    return Containers(cast(Any, cluster), LoopClock(), engine, cast(Any, Secrets()))
