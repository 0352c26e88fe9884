"""Runs the container of a call on the local container engine, when there is no cluster.

It replaces a Job, and uses the same `container.Invocation`. It calls the command line of Docker or Podman, without a
shell. A container is named after its call. After a crash, a manager finds the container by its name, waits for it and
reads its log, and does not start a second one. The container is therefore kept until the caller has recorded the result
and calls `forget`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from kubechain.api.names import shortened
from kubechain.api.references import NamedValue
from kubechain.api.tool import ContainerTool
from kubechain.net import foreign
from kubechain.net.redaction import redacted
from kubechain.tools import containerspec
from kubechain.tools.container import LOG_LIMIT_BYTES, USER_ID, Call, Invocation, expanded, invocation
from kubechain.tools.model import EngineMissing, InvalidTool, NotExecuted, Output, Uncertain
from kubechain.tools.podstate import exited, timed_out

PROGRAMS = ("docker", "podman")
"""Command line programs, searched on the PATH in this order."""

VERDICT_SECONDS = 30.0
"""How long the result of a probe is cached; a user who starts Docker waits at most this long."""

PROBE_TIMEOUT_SECONDS = 5.0
COMMAND_TIMEOUT_SECONDS = 30.0
PULL_TIMEOUT_SECONDS = 600.0
"""Timeout of `create`, which may pull the image first."""

_PIDS_LIMIT = 512
_CLI_VARIABLES = re.compile(
    r"PATH|HOME|USER|LANG|LC_ALL|TMPDIR|DOCKER_(HOST|CONTEXT|CONFIG|CERT_PATH|TLS_VERIFY)|CONTAINER_HOST|CONTAINERS_\w+"
    r"|XDG_RUNTIME_DIR|XDG_CONFIG_HOME|XDG_DATA_HOME|(HTTPS?|NO)_PROXY|(https?|no)_proxy"
)
"""Variables that the engine's command line inherits; it does not get any others, such as API keys."""

_REASON_CHARACTERS = 4096
"""How much of an error of the engine is read; the message is truncated after secrets are redacted."""

_NAME_TAKEN = re.compile(r"already in use|name .* is in use", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Finished:
    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class _Verdict:
    program: str | None
    message: str
    valid_until: float


class ContainerEngine:
    """Runs the containers of calls on the local engine, if one is available."""

    def __init__(
        self,
        *,
        which: Callable[[str], str | None] = shutil.which,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the runner; it searches for the engine on first use.

        Args:
            which: Finds a program on the PATH.
            monotonic: Clock for the expiry of the cached probe.
        """
        self._which = which
        self._monotonic = monotonic
        self._verdict: _Verdict | None = None
        self._probing = asyncio.Lock()

    async def check(self) -> str:
        """Probe the engine; return the name of its command line program.

        Raises:
            EngineMissing: No engine responds; the message says what is missing.
        """
        return Path(await self._program()).name

    async def run(
        self,
        call: Call,
        tool: ContainerTool,
        arguments: Mapping[str, Any],
        *,
        declared: Collection[str] = (),
        secrets: Mapping[str, SecretStr] | None = None,
        timeout_seconds: float,
    ) -> Output:
        """Run the container of a call, or wait for the container that an earlier attempt of the same call started.

        Args:
            call: Determines the name of the container.
            tool: Container of the Tool.
            arguments: Validated arguments.
            declared: See `container.invocation`.
            secrets: Values of the variables that come from Secrets, by name of the variable.
            timeout_seconds: How long to wait for the container, before it is killed.

        Raises:
            NotExecuted: The container did not start.
            Uncertain: The container started or may have started, and was stopped, or the engine does not respond.
        """
        given = invocation(tool, arguments, declared=declared)
        environment = _environment(given.env, secrets or {})
        program, name = await self._program(), container_name(call)
        try:
            await self._create(program, name, _create_words(tool, given, environment), environment)
            if await self._state(program, name) == "created":
                await self._start(program, name)
            output = await self._awaited(program, name, timeout_seconds)
        except asyncio.CancelledError:
            await asyncio.shield(self.kill(call))
            raise
        except (NotExecuted, Uncertain) as error:
            # Error messages of the engine repeat the command, which may hold a secret.
            raise type(error)(foreign.cut(redacted(str(error), (secrets or {}).values()))) from None
        return Output(redacted(output.content, (secrets or {}).values()), output.is_error)

    async def kill(self, call: Call) -> None:
        """Kill the container of a call if it runs; its log is kept until `forget`."""
        await self._quietly(["kill", container_name(call)])

    async def forget(self, call: Call) -> None:
        """Remove the container of a call, running or not, if it exists."""
        await self._quietly(["rm", "--force", "--volumes", container_name(call)])

    async def _create(self, program: str, name: str, words: Sequence[str], environment: Mapping[str, str]) -> None:
        with _env_file(environment) as path:
            command = [program, "create", "--name", name, "--env-file", path, *words]
            done = await _finished(command, timeout_seconds=PULL_TIMEOUT_SECONDS)
        if done is None:
            raise NotExecuted("container: could not be created in time")
        if done.code != 0 and not _NAME_TAKEN.search(done.err):
            self._verdict = None
            raise NotExecuted(f"container: could not be created: {_last_line(done.err)}")

    async def _start(self, program: str, name: str) -> None:
        done = await _finished([program, "start", name])
        if done is None:
            raise Uncertain("container: the engine did not say whether it started")
        if done.code != 0:
            if await self._state(program, name) == "created":
                raise NotExecuted(f"container: could not be started: {_last_line(done.err)}")
            raise Uncertain(f"container: could not be started properly: {_last_line(done.err)}")

    async def _state(self, program: str, name: str) -> str:
        done = await _finished([program, "inspect", "--type", "container", "--format", "{{.State.Status}}", name])
        if done is None or done.code != 0:
            raise Uncertain("container: the engine does not answer")
        return done.out.strip().replace("configured", "created")  # Podman's name for this state

    async def _awaited(self, program: str, name: str, timeout_seconds: float) -> Output:
        done = await _finished([program, "wait", name], timeout_seconds=timeout_seconds)
        if done is None:
            await self._quietly(["kill", name])
            return timed_out(timeout_seconds, await _log([program, "logs", name]))
        code = done.out.strip()
        if done.code != 0 or not code.isdigit():
            raise Uncertain("container: the engine was lost while it ran")
        log = await _log([program, "logs", name])
        return exited(int(code), log)

    async def _quietly(self, words: Sequence[str]) -> None:
        with contextlib.suppress(EngineMissing):
            await _finished([await self._program(), *words])

    async def _program(self) -> str:
        async with self._probing:
            now = self._monotonic()
            if self._verdict is None or now >= self._verdict.valid_until:
                program, message = await self._probed()
                self._verdict = _Verdict(program, message, now + VERDICT_SECONDS)
        if self._verdict.program is None:
            raise EngineMissing(self._verdict.message)
        return self._verdict.program

    async def _probed(self) -> tuple[str | None, str]:
        faults: list[str] = []
        for name in PROGRAMS:
            program = self._which(name)
            if program is None:
                faults.append(f"{name} is not installed")
                continue
            done = await _finished([program, "info"], timeout_seconds=PROBE_TIMEOUT_SECONDS)
            if done is not None and done.code == 0:
                return program, ""
            faults.append(f"{name} is installed, but its engine does not answer")
        return None, f"no container engine: {', '.join(faults)}"


def container_name(call: Call) -> str:
    """Return the name of the container of a call; deterministic, and unique to the call."""
    readable = re.sub(r"[^a-zA-Z0-9_.-]", "-", f"kubechain-{call.namespace}-{call.name}")
    return shortened(readable, 120) + "-" + re.sub(r"[^a-zA-Z0-9]", "", call.uid)[:32]


def _create_words(tool: ContainerTool, given: Invocation, environment: Mapping[str, str]) -> list[str]:
    """Return the arguments of `create`: options, image, command, args."""
    options = ["--cap-drop=ALL", "--security-opt=no-new-privileges", f"--pids-limit={_PIDS_LIMIT}"]
    options += [f"--user={USER_ID}:{USER_ID}", "--restart=no", "--label=managed-by=kubechain", *_limits(tool)]
    command = [expanded(word, environment) for word in given.command]
    args = [expanded(word, environment) for word in given.args]
    if command:
        options.append(f"--entrypoint={command[0]}")
    return [*options, tool.image, *command[1:], *args]


def _limits(tool: ContainerTool) -> list[str]:
    limits = (tool.resources.limits if tool.resources else None) or {}
    options: list[str] = []
    if "memory" in limits:
        options.append(f"--memory={math.ceil(quantity(limits['memory']))}")
    if "cpu" in limits:
        options.append(f"--cpus={quantity(limits['cpu']):.3f}")
    return options


def quantity(value: str | int) -> float:
    """Parse a Kubernetes quantity, such as 500m, 256Mi or 2.

    Raises:
        InvalidTool: The value is not a quantity.
    """
    if (found := containerspec.amount(value)) is None:
        raise InvalidTool("resources: not a quantity such as 500m or 256Mi")
    return float(found)


def _environment(variables: Sequence[NamedValue], secrets: Mapping[str, SecretStr]) -> dict[str, str]:
    """Resolve variables in order, as Kubernetes does: a variable may refer to earlier ones."""
    environment: dict[str, str] = {}
    for variable in variables:
        if variable.value_from is not None:
            if variable.name not in secrets:
                raise NotExecuted(f"env: {variable.name}: its Secret was not found")
            environment[variable.name] = secrets[variable.name].get_secret_value()
        else:
            environment[variable.name] = expanded(variable.value or "", environment)
    return environment


@contextlib.contextmanager
def _env_file(environment: Mapping[str, str]) -> Generator[str]:
    """Create a temporary file with the variables of the container; yield its path.

    On the command line, each user of the machine could read the variables. In the environment of the engine's program,
    `LD_PRELOAD` or `PATH` would affect that program on the host. The file has one line per variable, so it cannot hold
    a value of several lines. Such an argument is left out, because KUBECHAIN_ARGUMENTS holds it too; any other such
    variable is refused.
    """
    with tempfile.TemporaryDirectory(prefix="kubechain-") as directory:
        path = Path(directory, "env")
        lines = [f"{name}={value}\n" for name, value in environment.items() if _is_one_line(name, value)]
        path.touch(mode=0o600)
        path.write_text("".join(lines), encoding="utf-8")
        yield str(path)


def _is_one_line(name: str, value: str) -> bool:
    if "\n" not in value and "\r" not in value:
        return True
    if name.startswith("KUBECHAIN_ARG_"):
        return False
    raise InvalidTool(f"env: {name}: a value of several lines cannot be given to a local container engine")


async def _finished(command: Sequence[str], *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS) -> _Finished | None:
    """Run a program until it exits; return None if it was killed after the timeout."""
    try:
        async with _process(command, asyncio.subprocess.PIPE) as process, asyncio.timeout(timeout_seconds):
            out, err = await process.communicate()
    except TimeoutError:
        return None
    except OSError as error:  # it cannot be started: not found, or too many arguments
        return _Finished(127, "", error.strerror or "it cannot be started")
    return _Finished(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))


async def _log(command: Sequence[str]) -> str:
    """Read stdout and stderr of a program, interleaved; of more than `LOG_LIMIT_BYTES`, the beginning and the end."""
    half = LOG_LIMIT_BYTES // 2
    head, tail, size = bytearray(), bytearray(), 0
    with contextlib.suppress(TimeoutError):  # return what was read before the timeout
        async with _process(command, asyncio.subprocess.STDOUT) as process, asyncio.timeout(COMMAND_TIMEOUT_SECONDS):
            assert process.stdout is not None
            while chunk := await process.stdout.read(65536):
                size += len(chunk)
                room = half - len(head)
                head += chunk[:room]
                tail += chunk[room:]
                del tail[:-half]
    left = size - len(head) - len(tail)
    note = f"\n[{left} bytes left out]\n".encode() if left else b""
    return bytes(head + note + tail).decode(errors="replace")


@contextlib.asynccontextmanager
async def _process(command: Sequence[str], stderr: int) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Start the engine's program; kill it on exit if it still runs."""
    environment = {name: value for name, value in os.environ.items() if _CLI_VARIABLES.fullmatch(name)}
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=stderr, env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return foreign.printable(lines[-1][:_REASON_CHARACTERS]) if lines else "no reason was given"
