"""Jobs of a simulated cluster: what kube-controller-manager, a kubelet and the garbage collector do with them.

The API server of the simulation has no Jobs, so requests about them end here. A container is a side effect that no
manager carries out: it starts a while after its Job was made, once, and goes on whatever becomes of the manager.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from kubechain.runtime.transport import Exchange, Reply, WholeReply
from kubechain.tools.container import ANNOTATION_IDEMPOTENCY_KEY
from kubechain_apiserver import Change
from test.simulation.fakes import ATTENDED_SECONDS, BROKEN, Answer
from test.simulation.invariants import Watchman
from test.simulation.outside import Outside

JsonObject = dict[str, Any]

API = "/apis/batch/v1"
JOBS = f"{API}/namespaces/default/jobs"
PODS = "/api/v1/namespaces/default/pods"


@dataclass(slots=True)
class _Job:
    """A Job with its one container."""

    obj: JsonObject
    log: str = ""
    state: JsonObject = field(default_factory=dict[str, Any])

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])

    @property
    def owner_uid(self) -> str:
        return str(self.obj["metadata"]["ownerReferences"][0]["uid"])

    @property
    def container(self) -> JsonObject:
        return self.obj["spec"]["template"]["spec"]["containers"][0]

    @property
    def arguments(self) -> JsonObject:
        values = {variable["name"]: variable.get("value") for variable in self.container["env"]}
        return json.loads(values["KUBECHAIN_ARGUMENTS"])

    @property
    def uid(self) -> str:
        return str(self.obj["metadata"]["uid"])

    def pod(self) -> JsonObject:
        statuses = [{"name": "tool", "started": True, "state": self.state}] if self.state else []
        owner = {"kind": "Job", "name": self.name, "uid": self.uid}
        meta = {"name": f"{self.name}-pod", "namespace": "default", "ownerReferences": [owner]}
        return {"metadata": meta, "status": {"containerStatuses": statuses}}

    def end(self, condition: str, reason: str = "") -> None:
        conditions = [{"type": condition, "status": "True", "reason": reason}]
        self.obj["status"] = {"conditions": conditions}


class Jobs:
    """All Jobs that there are."""

    def __init__(
        self,
        watchman: Watchman,
        outside: Outside,
        answers: Mapping[str, Answer],
        happening: Callable[[str], bool],
        seed: int,
    ) -> None:
        """Begin with none.

        Args:
            answers: What containers write to their log, by the last word of their image.
            happening: Told of each container that runs; says whether somebody acts because of it.
        """
        self._watchman = watchman
        self._outside = outside
        self._answers = answers
        self._happening = happening
        self._chance = random.Random(f"jobs {seed}")
        self._jobs: dict[str, _Job] = {}
        self._made = 0

    def left(self) -> list[JsonObject]:
        """Those that there are."""
        return [job.obj for job in self._jobs.values()]

    def on_change(self, change: Change) -> None:
        """Collect the Jobs of what is gone."""
        if change.deleted:
            uid = change.record.object["metadata"]["uid"]
            self._jobs = {name: job for name, job in self._jobs.items() if job.owner_uid != uid}

    def answer(self, method: str, target: str, body: bytes | None) -> Reply | None:
        """What the API server says; None where this is not about Jobs."""
        path, _, query = target.partition("?")
        if path == API:
            return _reply(200, {"kind": "APIResourceList"})
        if "dryRun" in query:
            return _reply(201, json.loads(body or b"{}"))
        if path.startswith(JOBS):
            return self._answer(method, path.removeprefix(JOBS).strip("/"), body)
        if path.startswith(PODS):
            return self._pods(path.removeprefix(PODS).strip("/"), unquote(query))
        return None

    def _answer(self, method: str, name: str, body: bytes | None) -> Reply:
        if method == "POST":
            return self._make(_Job(json.loads(body or b"{}")))
        if name not in self._jobs:
            return _refusal(404, "NotFound")
        if method == "DELETE":
            del self._jobs[name]
            return _reply(200, {"kind": "Status", "status": "Success"})
        return _reply(200, self._jobs[name].obj)

    def _pods(self, name: str, query: str) -> Reply:
        if name:
            return WholeReply(200, {}, self._jobs[name.removesuffix("/log").removesuffix("-pod")].log.encode())
        job = self._jobs.get(query.rpartition("=")[2])
        return _reply(
            200, {"kind": "PodList", "metadata": {"resourceVersion": ""}, "items": [job.pod()] if job else []}
        )

    def _make(self, job: _Job) -> Reply:
        if job.name in self._jobs:
            return _refusal(409, "AlreadyExists")
        self._made += 1
        job.obj["metadata"]["uid"] = f"job-{self._made}"
        self._jobs[job.name] = job
        self._later(self._chance.choice((0.01, 0.1, 0.2)), self._start, job)
        return _reply(201, job.obj)

    def _start(self, job: _Job) -> None:
        if not self._is_there(job):
            return
        tool = str(job.container["image"]).rpartition("/")[2]
        label = f"container {tool} {json.dumps(job.arguments, sort_keys=True)}"
        key = job.obj["metadata"]["annotations"][ANNOTATION_IDEMPOTENCY_KEY]
        # Whatever the Tool says of itself: the Job's name is the same for each attempt, so no container runs twice.
        self._watchman.on_execution(label, key, process="", is_unsafe=True)
        job.state = {"running": {}}
        takes = ATTENDED_SECONDS if self._happening(label) else self._chance.choice((0.5, 3.0))
        if label.startswith(self._outside.slow):
            self._later(job.obj["spec"]["activeDeadlineSeconds"], job.end, "Failed", "DeadlineExceeded")
            return
        self._later(takes, self._finish, job, self._answers[tool](job.arguments))

    def _finish(self, job: _Job, text: str) -> None:
        if not self._is_there(job):
            return
        job.log, code = text, 1 if text == BROKEN else 0
        job.state = {"terminated": {"exitCode": code}}
        job.end("Failed" if code else "Complete", "BackoffLimitExceeded" if code else "")

    def _is_there(self, job: _Job) -> bool:
        return self._jobs.get(job.name) is job

    def _later(self, seconds: float, act: Callable[..., None], *arguments: Any) -> None:
        asyncio.get_running_loop().call_later(seconds, act, *arguments, context=contextvars.Context())


class WithJobs:
    """An exchange with an API server that has Jobs; satisfies the runtime's seam."""

    def __init__(self, inner: Exchange, jobs: Jobs) -> None:
        """Put it around one that has none."""
        self._inner = inner
        self._jobs = jobs
        self.stream = inner.stream
        self.aclose = inner.aclose

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        """Send one request."""
        found = self._jobs.answer(method, target, body)
        if found is not None:
            return found
        return await self._inner.send(method, target, headers=headers, body=body, timeout_seconds=timeout_seconds)


def _reply(code: int, obj: JsonObject) -> Reply:
    return WholeReply(code, {}, json.dumps(obj).encode())


def _refusal(code: int, reason: str) -> Reply:
    return _reply(code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason})
