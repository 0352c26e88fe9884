"""Why a request cannot be decided, for code that writes decisions; the API server and the call judge again. Pure."""

from __future__ import annotations

from datetime import datetime

from kubechain.api.humanrequest import HumanRequest
from kubechain.api.meta import time_text


def why_over(request: HumanRequest, now: datetime) -> str:
    """Why nobody waits for a decision about this request; empty where somebody does, as far as is known here."""
    asked, decided, phase = request.spec.request, request.spec.decision, request.status.phase
    if decided is not None:
        return f"already decided: {decided.choice} by {decided.by or 'somebody without a name'}"
    if phase is not None and phase.is_terminal:
        return f"the request is over ({phase}): nobody waits for a decision"
    if asked.expires_at is not None and asked.expires_at <= now:
        return f"the request expired at {time_text(asked.expires_at)}"
    return ""
