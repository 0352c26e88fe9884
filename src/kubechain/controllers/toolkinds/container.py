"""Containers that a Tool names: a Job where the API server has Jobs, else a container engine of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from pydantic import SecretStr

from kubechain.api.references import NamedValue, SecretKeyRef
from kubechain.api.taskrun import ToolCallType
from kubechain.api.tool import ContainerTool, Tool
from kubechain.controllers.secrets import SecretReader, SecretUnavailable
from kubechain.controllers.toolkinds.jobs import NO_VERDICT, Jobs, call_of, declared_names
from kubechain.controllers.toolkinds.model import (
    CallOutcome,
    Invocation,
    Offer,
    Plan,
    Started,
    Tell,
    ToolKind,
    tool_execution,
    tool_of,
    tool_offer,
)
from kubechain.controllers.toolkinds.outcomes import outcome_of
from kubechain.net.backoff import Backoff
from kubechain.net.foreign import cut
from kubechain.net.redaction import redacted
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import ApiError, NotFound, TransportError
from kubechain.tools import container
from kubechain.tools.engine import ContainerEngine
from kubechain.tools.model import InvalidTool, NotExecuted, Output, ToolFailure, Uncertain

TIMEOUT_SECONDS = 600.0
"""How long one container may run where the Tool sets no limit."""

ASK_AGAIN = Backoff(initial_seconds=0.5, max_seconds=5.0)
"""Between two requests to an API server that does not answer, for a container that goes on."""

R = TypeVar("R")


class ContainerRunner(Protocol):
    """Runs containers here: in the cluster, or with an engine of this machine."""

    async def check(self, namespace: str, spec: ContainerTool) -> None:
        """See whether this container can be run here; raises `NotExecuted`, `ApiError` or `TransportError`."""
        ...

    async def run(self, call: Invocation, spec: ContainerTool) -> Output:
        """Run the container of one call to its end."""
        ...

    @property
    def goes_on(self) -> bool:
        """Whether containers go on without the process that runs them."""
        ...

    async def follow(self, started: Started) -> Output:
        """Wait for the container of a call that an earlier process started."""
        ...

    async def stop(self, started: Started) -> None:
        """Stop the container of a call, if there is one that goes on by itself."""
        ...


def tool_kind(containers: ContainerRunner) -> ToolKind:
    """The row of the registry for this sort."""
    tools = ContainerTools(containers)
    return ToolKind(ToolCallType.CONTAINER, planner=tools, executor=tools, follower=tools, handler=tools)


@dataclass(frozen=True, slots=True)
class ContainerTools:
    """Tools with `execute.container`."""

    containers: ContainerRunner

    def serves(self, tool: Tool) -> bool:
        """Whether the Tool names an image."""
        return _spec(tool) is not None

    def offer(self, tool: Tool, name: str) -> Offer:
        """The Tool as its author describes it."""
        return tool_offer(tool, name, ToolCallType.CONTAINER)

    def secret_keys(self, tool: Tool) -> Sequence[SecretKeyRef]:
        """Those of the environment variables."""
        spec = _spec(tool)
        return [entry.value_from.secret_key_ref for entry in spec.env if entry.value_from] if spec else ()

    def wants_approval(self, tool: Tool) -> bool:
        """No: `execute.container` has no such field."""
        del tool
        return False

    async def check(self, tool: Tool) -> None:
        """See that the spec is valid and that containers can be run here."""
        if (spec := _spec(tool)) is not None:
            container.invocation(spec, {})
            await self.containers.check(tool.metadata.namespace, spec)

    @property
    def acts_outside(self) -> bool:
        """A call has effects outside this process."""
        return True

    def obstacle(self, offer: Offer) -> str:
        """Nothing that could be known before the call."""
        del offer
        return ""

    def plan(self, offer: Offer, arguments: dict[str, Any], *, attempt: int, depth: int) -> Plan:
        """Run the container."""
        del depth
        spec = _spec(tool_of(offer))
        timeout_seconds = float((spec and spec.timeout_seconds) or TIMEOUT_SECONDS)
        return tool_execution(offer, arguments, attempt=attempt, timeout_seconds=timeout_seconds)

    async def execute(self, invocation: Invocation) -> CallOutcome:
        """Run the container once."""
        return await outcome_of(self._output(invocation))

    @property
    def goes_on(self) -> bool:
        """As Jobs, containers go on."""
        return self.containers.goes_on

    async def follow(self, started: Started) -> CallOutcome:
        """Wait for the container that an earlier process started."""
        return await outcome_of(self.containers.follow(started))

    async def stop(self, started: Started) -> None:
        """Stop the container."""
        await self.containers.stop(started)

    async def _output(self, invocation: Invocation) -> Output:
        spec = _spec(tool_of(invocation.offer))
        if spec is None:
            raise InvalidTool(f'Tool "{invocation.offer.object}" names no container any more')
        return await self.containers.run(invocation, spec)


def _spec(tool: Tool) -> ContainerTool | None:
    return tool.spec.execute.container if tool.spec.execute else None


@dataclass(slots=True)
class Containers:
    """Runs containers as Jobs, or with an engine of this machine where the API server has no Jobs."""

    client: Client
    clock: Clock
    engine: ContainerEngine
    secrets: SecretReader
    _has_jobs: bool | None = field(default=None, init=False)

    async def run(self, call: Invocation, spec: ContainerTool) -> Output:
        """Run a call's container and return what it wrote, with the secrets that it was given redacted.

        Raises:
            ToolFailure: The container was not run, or its outcome is not known.
            SecretUnavailable: One of its secrets is missing.
        """
        try:
            has_jobs = await self.has_jobs()
            from_secrets = [entry for entry in spec.env if entry.value_from]
            hidden = await self._values_now(call.namespace, from_secrets)
        except (ApiError, TransportError) as error:
            raise NotExecuted(cut(f"the API server does not answer: {error}")) from error
        except asyncio.CancelledError:
            # Nothing was started, and the next manager, which finds the claim, could not know that.
            raise NotExecuted("container: the manager stopped before it was started") from None
        if not has_jobs:
            return _without(hidden, await self._run_here(call, spec, hidden))
        with _no_secrets_in_failures(hidden):
            output = await self._jobs.run(replace(call, tell=_redacting(call.tell, hidden)), spec)
        return _without(hidden, output)

    @property
    def goes_on(self) -> bool:
        """Jobs go on; an engine of this machine is told to stop its containers."""
        return self._has_jobs is not False

    async def follow(self, started: Started) -> Output:
        """Wait for the container of a call that an earlier process started, and return what it wrote.

        The Job says which secrets the container was given: the Tool may have changed since.

        Raises:
            ToolFailure: The container did not run, or its outcome is not known.
        """
        if not await self._answered(self.has_jobs):
            raise Uncertain("the call was interrupted")
        job = await self._answered(lambda: self._jobs.job(started))
        hidden = await self._answered(lambda: self._hidden_in(started.namespace, job))
        with _no_secrets_in_failures(hidden):
            output = await self._jobs.follow(replace(started, tell=_redacting(started.tell, hidden)))
        return _without(hidden, output)

    async def stop(self, started: Started) -> None:
        """Delete the Job of a call; a container that an engine runs here ends with the process that carries it out."""
        if self._has_jobs is not False:
            await self._jobs.stop(started)

    @property
    def _jobs(self) -> Jobs:
        return Jobs(self.client, self.clock)

    async def _answered(self, ask: Callable[[], Awaitable[R]]) -> R:
        """Ask the API server until it answers: a container goes on whether or not it does.

        Raises:
            Uncertain: The API server refuses to answer.
        """
        failures = 0
        while True:
            try:
                return await ask()
            except NO_VERDICT:
                await self.clock.sleep(ASK_AGAIN.seconds(failures))
                failures += 1
            except ApiError as error:
                raise Uncertain(f"the call was interrupted, and its Job cannot be read: {error}") from error

    async def _hidden_in(self, namespace: str, job: Mapping[str, Any]) -> dict[str, SecretStr]:
        """The secrets that the container of a Job was given, as far as they still exist."""
        hidden: dict[str, SecretStr] = {}
        for variable in container.variables_of(job):
            if variable.value_from is not None:
                with suppress(SecretUnavailable):
                    hidden |= await self._values_now(namespace, [variable])
        return hidden

    async def _values_now(self, namespace: str, variables: Sequence[NamedValue]) -> dict[str, SecretStr]:
        """The values that kubelet reads too: those of a while ago would not be found in what the container wrote."""
        for source in (variable.value_from for variable in variables):
            if source is not None:
                self.secrets.doubt(namespace, source.secret_key_ref.name, older_than_seconds=0.0)
        return await self.secrets.named_values(namespace, variables)

    async def _run_here(self, call: Invocation, spec: ContainerTool, hidden: Mapping[str, SecretStr]) -> Output:
        """Run the container with the engine, and remove it afterwards."""
        try:
            return await self.engine.run(
                call_of(call),
                spec,
                call.arguments,
                declared=declared_names(call),
                secrets=hidden,
                timeout_seconds=call.timeout_seconds,
            )
        finally:
            await asyncio.shield(self.engine.forget(call_of(call)))

    async def check(self, namespace: str, spec: ContainerTool) -> None:
        """See whether a container can be run here.

        Raises:
            InvalidTool: The cluster refuses it, or what it refers to does not exist.
            EngineMissing: There are neither Jobs nor an engine; the message says what is missing.
            ApiError: The API server cannot be asked.
            TransportError: The API server cannot be asked.
        """
        if await self.has_jobs():
            await self._jobs.check(namespace, spec)
        else:
            await self.engine.check()

    async def has_jobs(self) -> bool:
        """Whether the API server has Jobs; asked once, since that does not change under a running manager."""
        if self._has_jobs is None:
            try:
                await self.client.request("GET", "/apis/batch/v1")
                self._has_jobs = True
            except NotFound:
                self._has_jobs = False
        return self._has_jobs


def _without(hidden: Mapping[str, SecretStr], output: Output) -> Output:
    return replace(output, content=redacted(output.content, hidden.values()))


def _redacting(tell: Tell, hidden: Mapping[str, SecretStr]) -> Tell:
    """Kubelet repeats the words of a command that it cannot start, and they may hold a secret."""
    return lambda text: tell(redacted(text, hidden.values()))


@contextmanager
def _no_secrets_in_failures(hidden: Mapping[str, SecretStr]) -> Generator[None]:
    try:
        yield
    except ToolFailure as failure:
        raise type(failure)(redacted(str(failure), hidden.values())) from None
