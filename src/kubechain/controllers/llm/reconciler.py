"""LLM's control loop: observe, decide, check, settle, write."""

from __future__ import annotations

from kubechain.api.llm import LLM
from kubechain.controllers.frame import Settled, StatusWriter
from kubechain.controllers.llm.decide import Check, Refuse, Rest, decide
from kubechain.controllers.llm.effects import Outcome, Unknown, check
from kubechain.controllers.llm.observe import Checked, Observed, observe
from kubechain.controllers.llm.settle import refused, settle
from kubechain.controllers.resources import LLMS
from kubechain.controllers.secrets import SecretReader
from kubechain.llm.client import LLMClient
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Metadata
from kubechain.runtime.store import Lister


class LLMReconciler:
    """Keeps `status` of every LLM true to what its provider says."""

    def __init__(
        self, *, llms: Lister[LLM], secrets: SecretReader, client: LLMClient, writer: StatusWriter, clock: Clock
    ) -> None:
        self._llms = llms
        self._secrets = secrets
        self._client = client
        self._writer = writer
        self._clock = clock
        self._checked: dict[Request, Checked] = {}

    async def reconcile(self, request: Request) -> Result:
        """Bring one LLM's status up to date."""
        llm = self._llms.get(request.namespace, request.name)
        if llm is None or llm.metadata.deletion_timestamp is not None:
            self._checked.pop(request, None)
            return Result()
        observed = observe(llm, self._secrets, self._checked.get(request), self._clock.monotonic())
        match decide(observed):
            case Refuse(detail):
                settled = refused(llm, detail, self._clock.now())
                await self._writer.write(LLMS, llm, settled)
            case Rest(requeue_after_seconds):
                settled = Settled(requeue_after_seconds=requeue_after_seconds)
            case Check(attempt):
                outcome = await check(llm, self._secrets, self._client)
                settled = settle(llm, outcome, attempt=attempt, now=self._clock.now())
                await self._writer.write(LLMS, llm, settled)
                # Only now: a verdict that could not be written must be reached again.
                self._checked[request] = self._remember(observed, settled, outcome, attempt)
        return Result(requeue_after_seconds=settled.requeue_after_seconds)

    def doubt(self, request: Request) -> None:
        """Forget the last verdict: a run has just been refused with this LLM's key."""
        self._checked.pop(request, None)

    def _remember(self, observed: Observed, settled: Settled, outcome: Outcome, attempt: int) -> Checked:
        wait = settled.requeue_after_seconds
        return Checked(
            fingerprint=observed.fingerprint,
            recheck_at=None if wait is None else self._clock.monotonic() + wait,
            attempt=attempt if isinstance(outcome, Unknown) else 0,
        )


BY_KEY_SOURCE = "key-source"


def secret_index(llm: LLM) -> list[str]:
    """Index of LLMs by the Secret that holds their key."""
    source = llm.spec.api_key_from
    return [f"{llm.metadata.namespace}/{source.secret_key_ref.name}"] if source else []


def llm_requests_for_secret(llms: Lister[LLM], secret: Metadata) -> list[Request]:
    """The LLMs that a change of a Secret concerns."""
    key = f"{secret.namespace}/{secret.name}"
    return [Request(llm.metadata.namespace, llm.metadata.name) for llm in llms.by_index(BY_KEY_SOURCE, key)]
