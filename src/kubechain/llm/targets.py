"""An LLM object and its resolved key, as the `Target` of a call.

Called by the controllers. The one place that knows both the LLM's spec and the clients' own types.
"""

from __future__ import annotations

from pydantic import SecretStr

from kubechain.api.llm import LLM, LLMParameters, LLMSpec
from kubechain.llm.client import (
    APIType,
    MistralOptions,
    OpenAIOptions,
    Parameters,
    Target,
)
from kubechain.llm.errors import InvalidTarget


def target_for(llm: LLM, *, api_key: str | None) -> Target:
    """Say how to call the model that an LLM names.

    Args:
        llm: As read from the API.
        api_key: What its Secret holds; None where it names none.

    Raises:
        InvalidTarget: A number in the spec is none (only an object that no schema has checked can have that).
    """
    spec = llm.spec
    return Target(
        provider=str(spec.provider),
        model=llm.model_name,
        base_url=spec.parameters.base_url or None,
        api_key=SecretStr(api_key) if api_key else None,
        parameters=_parameters(spec.parameters),
        openai=_openai(spec),
        mistral=MistralOptions(random_seed=spec.mistral.random_seed if spec.mistral else None),
    )


def _parameters(given: LLMParameters) -> Parameters:
    return Parameters(
        temperature=_number("temperature", given.temperature),
        max_tokens=given.max_tokens,
        top_p=_number("topP", given.top_p),
        top_k=given.top_k,
        frequency_penalty=_number("frequencyPenalty", given.frequency_penalty),
        presence_penalty=_number("presencePenalty", given.presence_penalty),
    )


def _number(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise InvalidTarget(f'parameters.{name}: not a number: "{text[:32]}"') from None


def _openai(spec: LLMSpec) -> OpenAIOptions:
    if (given := spec.openai) is None:
        return OpenAIOptions()
    return OpenAIOptions(
        organization=given.organization or None,
        api_type=APIType(given.api_type),
        api_version=given.api_version or None,
    )
