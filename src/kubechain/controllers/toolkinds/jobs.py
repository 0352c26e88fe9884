"""Runs a call's container as a Job, follows it, and stops it.

The Job has a deterministic name and is owned by the call: whoever looks for it later finds it, and a container never
runs twice for one call. It goes on when the manager stops; the next manager follows it. What ends it is the end of the
call: its timeout, its cancellation, or a container that cannot start. What must not go here: the manifest of a Job
(`kubechain.tools.container`), what the status of a Pod means (`kubechain.tools.podstate`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import orjson

from kubechain.api.tool import ContainerTool
from kubechain.controllers.toolkinds.model import Invocation, Started
from kubechain.controllers.toolkinds.podlog import read_log
from kubechain.controllers.toolkinds.podwatch import JOBS, PodWatch, following
from kubechain.controllers.toolkinds.waits import Waits
from kubechain.net.foreign import one_line
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Forbidden,
    InternalError,
    Invalid,
    NotFound,
    ServerTimeout,
    ServiceUnavailable,
    TooManyRequests,
    TransportError,
)
from kubechain.tools import container, givingup, podstate
from kubechain.tools.model import InvalidTool, NotExecuted, OutOfTime, Output, Uncertain
from kubechain.tools.podstate import Ended, Lost, NeverStarted, Running, Seen, State, Waiting, state_of

LOOK_SECONDS = 2.0
"""Longest time between two looks at a container that has not started: not every obstacle changes a Pod."""

LOOK_AT_RUNNING_SECONDS = 5.0
"""Longest time between two looks at a container that runs; the watch usually reports its end at once."""

CREATED_SECONDS = 5.0
"""How long a process that stops waits for the answer to a request that creates a Job."""

CHECKED, NO_UID = "kubechain-check", "00000000-0000-0000-0000-000000000000"
"""Name and owner of a Job that is never created: the API server is only asked whether it would be."""

NO_VERDICT = (TransportError, InternalError, ServerTimeout, ServiceUnavailable, TooManyRequests)
"""The connection or the server fails: a write may have been applied, a read may work soon."""


def call_of(call: Invocation) -> container.Call:
    """The call as `kubechain.tools.container` knows it."""
    return container.Call(namespace=call.namespace, name=call.name, uid=call.uid, idempotency_key=call.key)


def declared_names(call: Invocation) -> list[str]:
    """Names of all arguments that the tool's schema knows."""
    return list(call.offer.parameters.get("properties", {}))


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs of the cluster, one for each call."""

    client: Client
    clock: Clock

    async def run(self, call: Invocation, spec: ContainerTool) -> Output:
        """Create the call's Job, or find the one of an earlier attempt, and wait for its end.

        Raises:
            NotExecuted: The container has not started, and will not.
            Uncertain: How it ended is not known.
        """
        job = container.job(
            call_of(call),
            spec,
            call.arguments,
            declared=declared_names(call),
            timeout_seconds=call.timeout_seconds,
        )
        await _to_its_end(self._create(call, job))
        seconds = call.timeout_seconds
        return await self.follow(Started(call.namespace, call.name, call.uid, seconds, seconds, call.tell))

    async def follow(self, call: Started) -> Output:
        """Wait for the end of a Job that exists; stop it when the time of the call is over.

        Raises:
            NotExecuted: The container has not started, and will not.
            Uncertain: How it ended is not known.
        """
        deadline, waits = self.clock.monotonic() + call.remaining_seconds, Waits(call.tell, self.clock)
        async with following(self.client, self.clock, call.namespace, _job_name(call)) as watch:
            while True:
                state = await self._state(watch, with_events=waits.is_told)
                await waits.note(state)
                left = deadline - self.clock.monotonic()
                if left <= 0 and isinstance(state, Waiting):  # whatever it waits for: there is no time to try again
                    return await self._out_of_time(call, watch, waits, state)
                if (output := await self._settled(call, watch, waits, state)) is not None:
                    return output
                if left <= 0 and state is not None:
                    return await self._out_of_time(call, watch, waits, state)
                pause = LOOK_AT_RUNNING_SECONDS if isinstance(state, Running) else LOOK_SECONDS
                await watch.wait(min(left, pause) if left > 0 else pause)

    async def stop(self, call: Started) -> None:
        """Delete the Job of a call, with its Pod; best effort."""
        try:
            job: dict[str, Any] = orjson.loads(await self.client.request("GET", _job_path(call)))
            if _is_owned(job, call.uid):
                await self._delete(call, job["metadata"]["uid"], "Background")
        except (ApiError, TransportError):
            # The Job is owned by the call and has a deadline: it ends without this request.
            return

    async def _delete(self, call: Started, uid: str, policy: givingup.Policy) -> None:
        """Delete this Job, not another one that has taken its name since."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy}
        body = orjson.dumps({**options, "preconditions": {"uid": uid}})
        await self.client.request("DELETE", _job_path(call), body=body)

    async def job(self, call: Started) -> dict[str, Any]:
        """Read the Job of a call.

        Raises:
            Uncertain: There is none, or it belongs to something else.
        """
        try:
            job: dict[str, Any] = orjson.loads(await self.client.request("GET", _job_path(call)))
        except NotFound:
            raise Uncertain("the call was interrupted, and its Job is gone") from None
        if not _is_owned(job, call.uid):
            raise Uncertain("the call was interrupted, and its Job's name belongs to something else")
        return job

    async def check(self, namespace: str, spec: ContainerTool) -> None:
        """See whether the API server would create a Job of a Tool, and whether its ServiceAccount exists.

        Raises:
            InvalidTool: It would not, or the ServiceAccount does not exist.
            ApiError: The API server cannot be asked.
            TransportError: The API server cannot be asked.
        """
        job = container.job(container.Call(namespace, CHECKED, NO_UID), spec, {})
        try:
            await self.client.request("POST", f"{JOBS.format(namespace=namespace)}?dryRun=All", body=orjson.dumps(job))
        except Invalid as error:
            raise InvalidTool(one_line(f"container: {error}", podstate.WORDS_CHARACTERS)) from error
        except (BadRequest, Forbidden):
            pass  # a webhook that does not know dry runs, or a policy that may change: the call is told by itself
        if spec.service_account_name is not None:
            await self._check_account(namespace, spec.service_account_name)

    async def _check_account(self, namespace: str, name: str) -> None:
        try:
            await self.client.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/{quote(name, safe='')}")
        except NotFound:
            raise InvalidTool(f'ServiceAccount "{name}" not found') from None
        except Forbidden:
            return  # an older role: the Job controller tells it

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
            job: dict[str, Any] = orjson.loads(await self.client.request("GET", path))
        except NotFound:
            raise NotExecuted(f"the Job could not be created: {failure}") from failure
        except (ApiError, TransportError) as error:
            raise Uncertain(f"the Job may have been created: {error}") from error
        if not _is_owned(job, call.uid):
            raise NotExecuted(f'Job "{job["metadata"]["name"]}" exists already and does not belong to this call')
        if podstate.is_deleted(job):
            raise NotExecuted("the Job of an earlier attempt is still being deleted")

    async def _state(self, watch: PodWatch, *, with_events: bool) -> State | None:
        """Look at the container; None where the server gives no verdict: the container goes on without being seen."""
        try:
            seen = await watch.look()
            state = state_of(seen)
            if isinstance(state, Waiting) and (with_events or state.is_final):
                state = state_of(replace(seen, events=await watch.events(seen)))
        except NO_VERDICT:
            return None
        except ApiError as error:
            raise Uncertain(f"container: its Job cannot be read: {error}") from error
        return state

    async def _settled(self, call: Started, watch: PodWatch, waits: Waits, state: State | None) -> Output | None:
        """What a container that is over has led to; None for one that is not."""
        match state:
            case Ended(code, words):
                return podstate.exited(code, await self._log(watch), words=words)
            case Lost(words):
                raise Uncertain(f"container: {words}")
            case NeverStarted(words) | Waiting(words, is_final=True):
                await self._give_up(call, watch, waits, words)
                raise NotExecuted(f"container: cannot start: {words}")
            case None | Waiting() | Running():
                return None

    async def _out_of_time(self, call: Started, watch: PodWatch, waits: Waits, state: State) -> Output:
        match state:
            case Waiting(words):
                await self._give_up(call, watch, waits, words)
                raise OutOfTime(f"container: did not start within {call.timeout_seconds:g} s: {words}")
            case Running() | Ended() | NeverStarted() | Lost():
                log = await self._log(watch)
                await self.stop(call)
                return podstate.timed_out(call.timeout_seconds, log)

    async def _log(self, watch: PodWatch) -> str:
        pods = watch.known()
        return await read_log(self.client, self.clock, pods[-1]) if pods else "[the output is gone with its Pod]"

    async def _give_up(self, call: Started, watch: PodWatch, waits: Waits, words: str) -> None:
        """Delete the Job of a container that has not started, and wait until it is certain that none has.

        The Job stays until its Pod is gone, so that the next manager can go on with this.

        Args:
            call: Whose Job it is.
            watch: Of the Job's Pods.
            waits: Says what is waited for.
            words: What the container waited for.

        Raises:
            Uncertain: It has started after all, or nobody knows whether it has.
        """
        began_at, pulled_seconds = self.clock.monotonic(), 0.0
        while True:
            seen, seconds = await self._given_up(watch), self.clock.monotonic() - began_at
            pulled_seconds = seconds if seen is not None and podstate.is_pulling(seen.events) else pulled_seconds
            match givingup.decide(seen, seconds=seconds, pulled_seconds=pulled_seconds):
                case givingup.NotStarted():
                    return
                case givingup.MayHaveStarted(why):
                    raise Uncertain(f"container: {why}: {words}")
                case givingup.DeleteJob(uid, policy):
                    try:
                        await self._delete(call, uid, policy)
                    except (ApiError, TransportError):
                        await watch.wait(LOOK_SECONDS)
                case givingup.Wait(why):
                    await waits.note_given_up(f"{why}: {words}", seconds)
                    await watch.wait(LOOK_SECONDS if seconds < givingup.GIVEN_UP_SECONDS else LOOK_AT_RUNNING_SECONDS)

    async def _given_up(self, watch: PodWatch) -> Seen | None:
        """Look at a Job that is given up, with the Events; None where the server gives no answer."""
        try:
            seen = await watch.look()
        except (ApiError, TransportError):
            return None
        return replace(seen, events=await watch.events(seen))


async def _to_its_end(effect: Coroutine[Any, Any, None]) -> None:
    """Await an effect that a cancellation breaks off late: whoever follows must know whether there is a Job."""
    task = asyncio.ensure_future(effect)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,), timeout=CREATED_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise


def _job_name(call: Started) -> str:
    return container.job_name(container.Call(namespace=call.namespace, name=call.name, uid=call.uid))


def _job_path(call: Started) -> str:
    return f"{JOBS.format(namespace=call.namespace)}/{_job_name(call)}"


def _is_owned(job: dict[str, Any], uid: str) -> bool:
    return any(owner["uid"] == uid for owner in job["metadata"].get("ownerReferences", []))
