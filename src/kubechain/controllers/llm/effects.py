"""The one effect of this kind: the provider is asked, by free requests or by a call, as the LLM says."""

from __future__ import annotations

from kubechain.api import reasons
from kubechain.api.llm import LLM
from kubechain.controllers.llm.outcomes import Outcome, Rejected, Unknown, Unverified, Verified
from kubechain.controllers.secrets import SecretReader, SecretUnavailable
from kubechain.llm import client as client_verdicts
from kubechain.llm import errors
from kubechain.llm.client import LLMClient, Verdict
from kubechain.llm.targets import target_for

CHECK_TIMEOUT_SECONDS = 10.0
"""A provider that takes longer gives no verdict; the check is repeated."""

CALL_TIMEOUT_SECONDS = 60.0
"""For `validation: Call`: a model that has to be loaded first takes longer than any free request."""


async def check(llm: LLM, secrets: SecretReader, client: LLMClient) -> Outcome:
    """Ask the provider about key and model; with validation None only the spec and the Secret are looked at."""
    try:
        target = target_for(llm, api_key=await secrets.api_key(llm))
        if llm.spec.validation == "None":
            return Unverified(reasons.NOT_CHECKED)
        is_billed = llm.spec.validation == "Call"
        timeout_seconds = CALL_TIMEOUT_SECONDS if is_billed else CHECK_TIMEOUT_SECONDS
        verdict = await client.check(target, is_billed=is_billed, timeout_seconds=timeout_seconds)
    except (SecretUnavailable, errors.Final) as error:
        return Rejected(str(error))
    except errors.Retryable as error:
        return Unknown(str(error), error.retry_after_seconds, is_busy=isinstance(error, errors.RateLimited))
    return _outcome(verdict)


def _outcome(verdict: Verdict) -> Outcome:
    match verdict:
        case client_verdicts.Accepted(facts):
            return Verified(facts)
        case client_verdicts.Unverified(detail, facts):
            return Unverified(reasons.unverified(detail), facts)
