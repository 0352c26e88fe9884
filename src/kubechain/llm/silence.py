"""Which models are behind something that closes a connection on which nothing is sent for long.

Load balancers and proxies do so after 60 s, and a model that writes for longer sends nothing before its whole reply. A
stream comes through. This is advice that a restart forgets and learns again by one more failed call.
"""

from __future__ import annotations

from collections import OrderedDict

from kubechain.llm.client import Target
from kubechain.llm.errors import ConnectionLost, LLMError, ServerFailed

SILENCE_SECONDS = 20.0
"""What is cut sooner was not cut for its silence: no gateway waits for less by default."""

_GATEWAY_STATUSES = frozenset({408, 504, 524})
"""Time-outs of what stands between us and the model; 524 is Cloudflare's."""

_MAX_MODELS = 1_024


class SilenceCuts:
    """Remembers models whose whole replies were cut."""

    def __init__(self) -> None:
        """Begin without one."""
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def is_known(self, target: Target) -> bool:
        """Whether a reply of this model was cut."""
        return _key(target) in self._known

    def note(self, target: Target, error: LLMError, *, after_seconds: float) -> None:
        """Take note of a failed call.

        Args:
            after_seconds: How long after the call began.
        """
        if after_seconds < SILENCE_SECONDS or not _is_cut(error):
            return
        self._known[_key(target)] = None
        if len(self._known) > _MAX_MODELS:
            self._known.popitem(last=False)


def _is_cut(error: LLMError) -> bool:
    return isinstance(error, ConnectionLost) or (
        isinstance(error, ServerFailed) and error.http_status in _GATEWAY_STATUSES
    )


def _key(target: Target) -> tuple[str, str]:
    return target.endpoint.base.url, target.model
