"""What servers say of a model when they describe it or list it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from anthropic.types import ModelInfo

from kubechain.api.llm import ModelStatus
from kubechain.llm.client import Accepted, ModelFacts, Target, Verdict
from kubechain.llm.dialects import model_lists
from kubechain.llm.dialects.anthropic_messages.options import max_tokens_of
from kubechain.llm.exchange import HttpReply
from kubechain.llm.providers import row_for
from kubechain.llm.targets import target_for
from test.llm.builders import CANARY, a_reply, a_target, an_llm

CLAUDE = {
    "type": "model",
    "id": "claude-opus-5-20260101",
    "display_name": "Claude Opus 5",
    "created_at": "2026-01-01T00:00:00Z",
    "lifecycle": "deprecated",
    "deprecated_at": "2026-10-01T00:00:00Z",
    "retires_at": "2027-02-01T00:00:00+00:00",
    "max_input_tokens": 1_000_000,
    "max_tokens": 128_000,
    "capabilities": None,
    "line": "opus",
}


def checked(target: Target, *replies: HttpReply) -> Verdict:
    steps = row_for(target.provider).dialect.probe(target)
    next(steps)
    for reply in replies:
        try:
            steps.send(reply)
        except StopIteration as end:
            return end.value
    raise AssertionError("a request more than there are replies")


def test_anthropic_tells_limits_and_retirement() -> None:
    assert ModelInfo.model_validate(CLAUDE, strict=False)  # the reply is one by the SDK's own type
    verdict = checked(a_target("claude-opus-5", provider="anthropic"), a_reply(200, CLAUDE))
    assert verdict == Accepted(
        ModelFacts("Claude Opus 5", 1_000_000, 128_000, "deprecated", datetime(2027, 2, 1, tzinfo=UTC))
    )


def test_the_default_limit_of_tokens_is_that_of_the_model_where_it_is_lower() -> None:
    for known, limit in ((8_192, 8_192), (128_000, 16_384)):
        llm = an_llm("claude", provider="anthropic").with_status(model=ModelStatus(max_output_tokens=known))
        assert max_tokens_of(target_for(llm, api_key=CANARY)) == limit


@pytest.mark.parametrize(
    ("fields", "facts"),
    [
        pytest.param({"max_model_len": 8192}, ModelFacts(context_window=8192), id="vLLM"),
        pytest.param(
            {"context_window": 131072, "max_completion_tokens": 32768}, ModelFacts(None, 131072, 32768), id="Groq"
        ),
        pytest.param(
            {"context_length": 200000, "top_provider": {"max_completion_tokens": 64000}},
            ModelFacts(None, 200000, 64000),
            id="OpenRouter",
        ),
        pytest.param(
            {"max_context_length": 131072, "deprecation": "2027-01-01T12:00:00"},
            ModelFacts(context_window=131072, retires_at=datetime(2027, 1, 1, 12, tzinfo=UTC)),
            id="Mistral",
        ),
        pytest.param(
            {"inputTokenLimit": 1048576, "outputTokenLimit": 65536, "displayName": "Gemini"},
            ModelFacts("Gemini", 1048576, 65536),
            id="Google",
        ),
        pytest.param({"owned_by": "me"}, None, id="nothing"),
        pytest.param(
            {"max_model_len": "many", "retires_at": "soon", "lifecycle": 7, "deprecation": None}, None, id="garbage"
        ),
        pytest.param({"retires_at": "0001-01-01T00:00:00+23:59"}, None, id="a time before all times"),
    ],
)
def test_the_facts_of_other_servers(fields: dict[str, Any], facts: ModelFacts | None) -> None:
    described = {"id": "m", "object": "model"} | fields
    assert model_lists.facts(a_reply(200, described)) == facts
    assert model_lists.facts(a_reply(200, {"data": [{"id": "other"}, described]}), "m") == facts
