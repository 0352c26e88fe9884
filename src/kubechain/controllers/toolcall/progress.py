"""Writes what a claimed call waits for while it is carried out, between T4 and T5."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from kubechain.api.taskruntoolcall import Execution, TaskRunToolCall
from kubechain.controllers.frame import StatusWriter
from kubechain.controllers.toolcall import settle
from kubechain.controllers.toolcall.claims import holds
from kubechain.runtime.errors import ApiError, Conflict, TransportError

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Progress:
    """One call that this process carries out.

    Attributes:
        execution: Our claim; nothing is written once it no longer counts.
        call: The call as it was last written or read.
    """

    writer: StatusWriter[TaskRunToolCall]
    execution: Execution
    call: TaskRunToolCall

    async def tell(self, detail: str) -> None:
        """Write what the call waits for; what cannot be written is left to the next word."""
        try:
            self.call = await self.writer.write(self.call, settle.carrying_out(self.call, detail)) or self.call
        except Conflict:
            await self._catch_up()
        except (ApiError, TransportError) as error:
            log.info("what the call waits for is not recorded", error=str(error))

    async def _catch_up(self) -> None:
        """Somebody else wrote to the object: take over what that was, if our claim still counts."""
        try:
            found = await self.writer.read(self.call)
        except (ApiError, TransportError):
            return
        if found is not None and holds(found, self.execution):
            self.call = found
