"""Tells a `Witness` of a model call: what is sent, and how the call ended, whichever way it ended."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from kubechain.api.llm import LLM
from kubechain.api.message import Message
from kubechain.llm.client import Completion
from kubechain.llm.errors import LLMError
from kubechain.llm.prices import priced
from kubechain.observability.witness import ModelCall, ModelReply, Witness
from kubechain.runtime.clock import Clock

INTERRUPTED = "Interrupted"
"""The class of a call that was cancelled: by its run, by the run's deadline, or because this process stops."""


@contextmanager
def told(
    witness: Witness, clock: Clock, llm: LLM, call: ModelCall, messages: Sequence[Message]
) -> Generator[Callable[[Completion], None]]:
    """Surround a call; what is yielded takes the answer, and a call without one has failed."""
    witness.asks(call, messages)
    began_at = clock.monotonic()
    answers: list[Completion] = []
    error, usage = INTERRUPTED, None
    try:
        yield answers.append
    except LLMError as failure:
        error = type(failure).__name__
        usage = priced(llm, failure.usage) if failure.usage is not None else None
        raise
    finally:
        seconds = clock.monotonic() - began_at
        failed = ModelReply(seconds, usage=usage, error=error)
        witness.answered(call, _reply(answers[0], seconds) if answers else failed)


def _reply(completion: Completion, seconds: float) -> ModelReply:
    return ModelReply(
        seconds, message=completion.message, usage=completion.usage, finish_reason=completion.finish_reason
    )
