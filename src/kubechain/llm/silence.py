"""Which models are behind something that closes a connection on which nothing is sent for long.

Load balancers and proxies do so after 60 s, and a model that writes for longer sends nothing before its whole reply. A
stream comes through. This is advice that a restart forgets and learns again by one more failed call.
"""

from __future__ import annotations

from kubechain.llm.client import Target
from kubechain.llm.errors import ConnectionLost, LLMError, ServerFailed
from kubechain.llm.modelset import ModelSet

SILENCE_SECONDS = 20.0
"""What is cut sooner was not cut for its silence: no gateway waits for less by default."""

_GATEWAY_STATUSES = frozenset({408, 504, 524})
"""Time-outs of what stands between us and the model; 524 is Cloudflare's."""


class SilenceCuts:
    """Remembers models whose whole replies were cut."""

    def __init__(self) -> None:
        """Begin without one."""
        self._known = ModelSet()

    def is_known(self, target: Target) -> bool:
        """Whether a reply of this model was cut."""
        return target in self._known

    def note(self, target: Target, error: LLMError, *, after_seconds: float) -> None:
        """Take note of a failed call.

        Args:
            after_seconds: How long after the call began.
        """
        if after_seconds >= SILENCE_SECONDS and _is_cut(error):
            self._known.add(target)


def _is_cut(error: LLMError) -> bool:
    return isinstance(error, ConnectionLost) or (
        isinstance(error, ServerFailed) and error.http_status in _GATEWAY_STATUSES
    )
