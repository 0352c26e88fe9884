"""The one effect of this kind: the free request to the provider."""

from __future__ import annotations

from kubechain.api.llm import LLM
from kubechain.controllers.llm.outcomes import Outcome, Rejected, Unknown, Verified
from kubechain.controllers.secrets import SecretReader, SecretUnavailable
from kubechain.llm import errors
from kubechain.llm.client import LLMClient
from kubechain.llm.targets import target_for

CHECK_TIMEOUT_SECONDS = 10.0
"""A provider that takes longer gives no verdict; the check is repeated."""


async def check(llm: LLM, secrets: SecretReader, client: LLMClient) -> Outcome:
    """Ask the provider about key and model."""
    try:
        target = target_for(llm, api_key=await secrets.api_key(llm))
        await client.check(target, timeout_seconds=CHECK_TIMEOUT_SECONDS)
    except (SecretUnavailable, errors.Final) as error:
        return Rejected(str(error))
    except errors.Retryable as error:
        return Unknown(str(error), error.retry_after_seconds)
    return Verified()
