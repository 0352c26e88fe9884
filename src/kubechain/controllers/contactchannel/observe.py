"""A ContactChannel, what it depends on, and its last check."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.contactchannel import ContactChannel
from kubechain.controllers.checks import Checked


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision about a channel depends on.

    Attributes:
        fingerprint: Of spec and Secrets.
    """

    channel: ContactChannel
    fingerprint: str
    checked: Checked | None
    monotonic_now: float
