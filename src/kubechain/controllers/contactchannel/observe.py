"""A ContactChannel, what it depends on, and its last check."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.contactchannel import ContactChannel
from kubechain.controllers.checks import Checked
from kubechain.humans.listening import Hearing


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision about a channel depends on.

    Attributes:
        fingerprint: Of spec and Secrets.
        look_again_seconds: When a refused channel looks at its Secrets again; None where a watch tells of changes.
        hearing: Whether the connection is open that brings the answers; None where there is none, or it is not known.
    """

    channel: ContactChannel
    fingerprint: str
    checked: Checked | None
    monotonic_now: float
    hearing: Hearing | None = None
    look_again_seconds: float | None = None
