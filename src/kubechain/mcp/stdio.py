"""Connects a child process to the MCP library through a pair of message streams.

The `Codec` decodes and encodes messages. This module handles the errors of a child: endless lines, output that is not
a message, a stdin that is never read, a sudden exit, child processes of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from kubechain.mcp.complaints import Complaints
from kubechain.mcp.environment import child_environment, resolve
from kubechain.mcp.failures import ConnectFailure
from kubechain.mcp.lines import LineSplitter, TooLong
from kubechain.mcp.model import Limits, ServerKey, ServerSpec
from kubechain.mcp.process import ChildProcess
from kubechain.mcp.warden import Warden
from kubechain.net import foreign
from kubechain.net.redaction import redacted

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

M = TypeVar("M")

_CHUNK_BYTES = 64 * 1024
_STDERR_LINE_BYTES = 2048
_STDERR_LINES = 200
"""Maximum number of lines that are logged per child process; servers usually log at start and exit only."""

_EXIT_DETAILS_SECONDS = 0.5
"""How long to wait for the exit code and the rest of stderr after stdout ended."""

_EXIT_LOOK_SECONDS = 0.5
"""Interval at which a process is checked for its exit, where its outputs do not end with it."""

_SKIPPED_LENGTHS = 64
"""Maximum length of a response that is discarded, as a multiple of `Limits.message_bytes`; beyond it, disconnect."""

_QUEUED_MESSAGES = 16
"""Queue length for a child that does not read, so that sending the cancellation of a call does not block."""

_ANSWERED_ID = re.compile(rb'^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,18})\s*,')


@dataclass(frozen=True, slots=True)
class Codec(Generic[M]):
    """Decodes and encodes messages.

    Attributes:
        decode: Decodes a line; returns None when it is not a message.
        encode: Encodes a message as a line, without the line break.
        too_long: Creates an error response to the request with this id, whose response was over the limit.
    """

    decode: Callable[[bytes], M | None]
    encode: Callable[[M], bytes]
    too_long: Callable[[int], M]


@dataclass(slots=True)
class _Child(Generic[M]):
    """A child process and its state."""

    key: ServerKey
    spec: ServerSpec
    limits: Limits
    codec: Codec[M]
    process: ChildProcess
    on_stderr: Callable[[str], None]
    complaints: Complaints = field(default_factory=Complaints)
    is_stopping: bool = False
    stderr_ended: anyio.Event = field(default_factory=anyio.Event)


@asynccontextmanager
async def stdio_transport(
    key: ServerKey,
    spec: ServerSpec,
    *,
    limits: Limits,
    warden: Warden,
    codec: Codec[M],
    on_end: Callable[[ConnectFailure], None],
    on_stderr: Callable[[str], None],
) -> AsyncGenerator[tuple[MemoryObjectReceiveStream[M | Exception], MemoryObjectSendStream[M]]]:
    """Start a server, yield its streams, and stop it with all processes that it started.

    Args:
        on_end: Called once when stdout of the child ends or becomes unreadable, before the stream ends.
        on_stderr: Called with what the child has written to stderr so far: its first error, or its last lines.

    Raises:
        ConnectFailure: The server cannot be started; permanent.
    """
    environment = child_environment({n: v.get_secret_value() for n, v in spec.env.items()}, os.environ)
    program = resolve(spec.command, os.environ)
    process = await ChildProcess.start(program, (spec.command, *spec.args), environment=environment, warden=warden)
    child = _Child(key, spec, limits, codec, process, on_stderr)
    to_session, from_child = anyio.create_memory_object_stream[M | Exception](0)
    to_child, from_session = anyio.create_memory_object_stream[M](_QUEUED_MESSAGES)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, child, to_session, on_end)
            tasks.start_soon(_write, child, from_session)
            tasks.start_soon(_log_stderr, child)
            tasks.start_soon(_end_with_process, child)
            try:
                yield from_child, to_child
            finally:
                child.is_stopping = True
                with anyio.CancelScope(shield=True):
                    await process.stop(limits.stop_grace_seconds)
                tasks.cancel_scope.cancel()
    finally:
        process.abandon()
        for stream in (to_session, from_child, to_child, from_session):
            stream.close()


async def _read(
    child: _Child[M], to_session: MemoryObjectSendStream[M | Exception], on_end: Callable[[ConnectFailure], None]
) -> None:
    with to_session, contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        try:
            await _follow(child, to_session)
            failure = await _end_of_process(child)
        except ConnectFailure as error:
            failure = error
        if not child.is_stopping:  # otherwise this side stopped the child
            on_end(failure)


async def _follow(child: _Child[M], to_session: MemoryObjectSendStream[M | Exception]) -> None:
    """Forward messages until stdout ends.

    Raises:
        ConnectFailure: The output exceeds a limit.
    """
    splitter = LineSplitter(child.limits.message_bytes)
    unread_bytes = 0
    while chunk := await child.process.stdout.read(_CHUNK_BYTES):
        unread_bytes += len(chunk)
        was_skipping = splitter.is_skipping
        for line in splitter.feed(chunk):
            if (message := _message(child, line)) is not None:
                unread_bytes = 0
                await to_session.send(message)
        if was_skipping and not splitter.is_skipping:
            unread_bytes = 0
        if unread_bytes > _max_unread_bytes(child.limits, is_skipping=splitter.is_skipping):
            raise ConnectFailure(f"output: over {child.limits.noise_bytes} bytes that are no message")


def _max_unread_bytes(limits: Limits, *, is_skipping: bool) -> int:
    """Return the maximum output since the last message: noise and one message, or a response that is discarded."""
    return _SKIPPED_LENGTHS * limits.message_bytes if is_skipping else limits.noise_bytes + limits.message_bytes


def _message(child: _Child[M], line: bytes | TooLong) -> M | None:
    match line:
        case TooLong(head=head):
            if (found := _ANSWERED_ID.match(head)) is None:
                raise ConnectFailure(f"output: a line over {child.limits.message_bytes} bytes")
            log.warning("mcp answer too long", mcp_server=str(child.key), limit_bytes=child.limits.message_bytes)
            return child.codec.too_long(int(found[1]))
        case _:
            return child.codec.decode(line) if line.strip() else None


async def _end_with_process(child: _Child[Any]) -> None:
    """End the outputs after the process has exited: a process that it started may keep them open for ever."""
    while child.process.exit_code is None:  # noqa: ASYNC110
        await anyio.sleep(_EXIT_LOOK_SECONDS)
    await anyio.sleep(_EXIT_DETAILS_SECONDS)
    child.process.end_outputs()


async def _end_of_process(child: _Child[Any]) -> ConnectFailure:
    """Return how the child ended, with what its stderr says."""
    with anyio.move_on_after(_EXIT_DETAILS_SECONDS):
        await child.process.wait(_EXIT_DETAILS_SECONDS)
        await child.stderr_ended.wait()
    match child.process.exit_code:
        case None:
            what = "the process closed its output"
        case code if code < 0:
            what = f"the process was ended by signal {-code}"
        case code:
            what = f"the process ended with exit code {code}"
    said = foreign.one_line(child.complaints.text())
    return ConnectFailure(f"{what}: {said}" if said else what, kind=what)


async def _write(child: _Child[M], from_session: MemoryObjectReceiveStream[M]) -> None:
    with from_session, contextlib.suppress(OSError):
        async for message in from_session:
            await child.process.stdin.write(child.codec.encode(message) + b"\n")


async def _log_stderr(child: _Child[Any]) -> None:
    splitter = LineSplitter(_STDERR_LINE_BYTES)
    bound = log.bind(mcp_server=str(child.key))
    line_count = 0
    while chunk := await child.process.stderr.read(_CHUNK_BYTES):
        for line in filter(str.strip, (_stderr_text(line, child.spec) for line in splitter.feed(chunk))):
            child.complaints.add(line)
            line_count += 1
            if line_count <= _STDERR_LINES:
                bound.debug("mcp server says", line=foreign.one_line(line))
        child.on_stderr(foreign.one_line(child.complaints.text()))
    child.stderr_ended.set()


def _stderr_text(line: bytes | TooLong, spec: ServerSpec) -> str:
    raw = line.head if isinstance(line, TooLong) else line
    return redacted(raw.decode(errors="replace"), spec.secrets())
