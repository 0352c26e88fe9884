"""An LLM object and its resolved key, as the `Target` of a call."""

from __future__ import annotations

from pydantic import SecretStr

from kubechain.api.llm import LLM, LLMParameters
from kubechain.llm.client import Parameters, Target
from kubechain.llm.errors import InvalidTarget
from kubechain.llm.providers import row_for


def target_for(llm: LLM, *, api_key: str | None) -> Target:
    """Say how to call the model that an LLM names.

    Args:
        llm: As read from the API.
        api_key: What its Secret holds; None where it names none.

    Raises:
        InvalidTarget: This release does not serve the provider, the base URL must not be called, or a number in the
            spec is none (only an object that no schema has checked can have that).
    """
    row = row_for(llm.spec.provider)
    name = row.chooses(llm)
    return Target(
        provider=str(llm.spec.provider),
        model=llm.model_name,
        endpoint=row.endpoint(llm.spec),
        api_key=SecretStr(api_key) if api_key else None,
        parameters=_parameters(llm.spec.parameters),
        dialect=name,
        options=row.dialect_named(name).options(llm),
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
