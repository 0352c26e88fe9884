"""From the errors of `kubechain.tools` to the outcome of a call."""

from __future__ import annotations

from collections.abc import Awaitable

from kubechain.controllers.secrets import SecretUnavailable
from kubechain.controllers.toolkinds.model import Answered, CallOutcome, NotDone, Unclear
from kubechain.tools.model import (
    AddressRefused,
    InvalidArguments,
    InvalidTool,
    NotExecuted,
    OutOfTime,
    Output,
    Uncertain,
)


async def outcome_of(effect: Awaitable[Output]) -> CallOutcome:
    """Await an effect; its failures become values."""
    try:
        output = await effect
    except (AddressRefused, InvalidTool, InvalidArguments, OutOfTime, SecretUnavailable) as error:
        return NotDone(str(error))
    except NotExecuted as error:
        return NotDone(str(error), may_pass=True)
    except Uncertain as error:
        return Unclear(str(error))
    return Answered(output.content, is_error=output.is_error)
