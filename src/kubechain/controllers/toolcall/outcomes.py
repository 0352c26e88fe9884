"""What carrying a call out can lead to: values, so that settling them is a pure function."""

from __future__ import annotations

from kubechain.controllers.inflight import Interrupted
from kubechain.controllers.toolkinds.model import Answered, CallOutcome, Elicits, NotDone, Unclear

__all__ = ["Answered", "Elicits", "Interrupted", "NotDone", "Outcome", "Unclear"]

Outcome = CallOutcome | Interrupted
