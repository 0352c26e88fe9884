"""LLM's control loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kubechain.api.llm import LLM
from kubechain.controllers import frame
from kubechain.controllers.checks import Checked, LLMChecks
from kubechain.controllers.circuits import OpenCircuits
from kubechain.controllers.frame import Again, Done, Settled, StatusWriter, soonest
from kubechain.controllers.llm import fallbacks, settle
from kubechain.controllers.llm.decide import decide
from kubechain.controllers.llm.effects import check
from kubechain.controllers.llm.observe import Observed, observe
from kubechain.controllers.llm.outcomes import Outcome, Rejected, Unknown, with_report
from kubechain.controllers.llm.steps import Check, Refuse, Step, TellCircuit, TellFallbacks
from kubechain.controllers.secrets import SecretReader
from kubechain.llm.client import LLMClient
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class LLMReconciler:
    """Checks every LLM at its provider, and reports the verdict in its status."""

    llms: Lister[LLM]
    secrets: SecretReader
    client: LLMClient
    checks: LLMChecks
    circuits: OpenCircuits
    writer: StatusWriter[LLM]
    clock: Clock

    finalizer: ClassVar[str | None] = None
    live_steps: ClassVar[tuple[type, ...]] = ()

    async def reconcile(self, request: Request) -> Result:
        """Bring the status of one LLM up to date."""
        return await frame.reconcile(self, self.llms, request)

    async def observe(self, obj: LLM) -> Observed:
        """Read the version of the Secret, the last check, and what a run found since."""
        request = _request(obj)
        return await observe(
            obj,
            self.secrets,
            self.checks.get(request),
            self.clock.monotonic(),
            self.checks.report_of(request),
            open_circuit=self.circuits.get(request),
            others=self.llms,
        )

    def decide(self, observed: Observed) -> Step | Done:
        """Whether the LLM must be checked."""
        return decide(observed)

    async def carry_out(self, observed: Observed, step: Step) -> Again[LLM] | Done:
        """Check the LLM and write the verdict."""
        llm = observed.llm
        match step:
            case Refuse(detail, look_again_seconds):
                now = self.clock.now()
                return await self.writer.finish(
                    llm, settle.refused(llm, detail, now, requeue_after_seconds=look_again_seconds)
                )
            case TellCircuit(detail):
                return await self.writer.finish(llm, settle.circuit(llm, detail, self.clock.now()))
            case TellFallbacks(troubles):
                return Again(await self.writer.write(llm, fallbacks.told(llm, troubles, self.clock.now())))
            case Check(attempt, report):
                outcome = with_report(await check(llm, self.secrets, self.client), report)
                settled = settle.settle(llm, outcome, attempt=attempt, now=self.clock.now())
                done = await self.writer.finish(llm, settled)
                # After the write: a verdict that could not be written must be reached again.
                self.checks.remember(_request(llm), self._checked(observed, settled, outcome, attempt), observed.report)
                look_again_seconds = self._look_again_seconds(llm) if isinstance(outcome, Rejected) else None
                return Done(soonest(done.requeue_after_seconds, look_again_seconds))

    def refused(self, observed: Observed, refusal: WriteRefused) -> None:
        """Nothing: only the status is written, and it cannot say that it is refused."""
        del observed, refusal

    async def forget(self, request: Request) -> None:
        """Drop the last check."""
        self.checks.forget(request)

    def _look_again_seconds(self, llm: LLM) -> float | None:
        source = llm.spec.api_key_from
        name = source.secret_key_ref.name if source is not None else None
        return self.secrets.look_again_seconds(llm.metadata.namespace, name) if name is not None else None

    def _checked(self, observed: Observed, settled: Settled, outcome: Outcome, attempt: int) -> Checked:
        wait, now = settled.requeue_after_seconds, self.clock.monotonic()
        return Checked(
            fingerprint=observed.fingerprint,
            recheck_at=None if wait is None else now + wait,
            attempt=attempt if isinstance(outcome, Unknown) else 0,
            checked_at=now,
        )


def _request(llm: LLM) -> Request:
    return Request(llm.metadata.namespace, llm.metadata.name)
