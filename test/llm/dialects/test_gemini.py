"""The gemini dialect: what is sent, and what of a reply is read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from kubechain.api.message import Message
from kubechain.llm import errors
from kubechain.llm.client import Accepted, Completion, Target, ToolDefinition
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.dialects.gemini.encode import NO_SIGNATURE
from kubechain.llm.exchange import HttpReply
from kubechain.llm.providers import ignored_parameters, row_for
from test.llm.builders import CANARY, NOW, a_reply, a_target, a_tool_call, an_llm, user

DIALECT = row_for("google").dialect
ADD = ToolDefinition("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
SIGNATURE = {"thoughtSignature": "c2lnbmVk"}


def gemini(model: str = "gemini-3-pro", **settings: Any) -> Target:
    return a_target(model, **({"provider": "google"} | settings))


def sent(*messages: Message, tools: tuple[ToolDefinition, ...] = (), target: Target | None = None) -> dict[str, Any]:
    return orjson.loads(DIALECT.encode(CompletionRequest(target or gemini(), messages, tools)).body or b"")


def a_call(call_id: str | None = "c1", **more: Any) -> dict[str, Any]:
    named = {"id": call_id} if call_id else {}
    return {"functionCall": {**named, "name": "add", "args": {"a": 1}}, **more}


def a_body(*parts: dict[str, Any], reason: str | None = "STOP", **more: Any) -> dict[str, Any]:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": reason, "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-3-pro-001"} | more


def parse(body: object, *tools: ToolDefinition, target: Target | None = None) -> Completion:
    return parse_reply(a_reply(200, body), *tools, target=target)


def parse_reply(reply: HttpReply, *tools: ToolDefinition, target: Target | None = None) -> Completion:
    return DIALECT.decode(CompletionRequest(target or gemini(), [user("Hi")], tools), reply)


def assistant(content: str = "", *calls: str, **more: Any) -> Message:
    return Message(role="assistant", content=content, tool_calls=tuple(a_tool_call(call) for call in calls), **more)


def result(call_id: str, content: str = "7", *, is_error: bool = False) -> Message:
    return Message(role="tool", tool_call_id=call_id, name="add", content=content, is_error=is_error)


def refused(status: int, message: str, *details: dict[str, Any], code: str = "INVALID_ARGUMENT") -> HttpReply:
    return a_reply(status, {"error": {"code": status, "message": message, "status": code, "details": list(details)}})


# --- the request


@pytest.mark.parametrize(
    ("target", "url"),
    [
        pytest.param(
            gemini(),
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-pro:generateContent",
            id="Google",
        ),
        pytest.param(
            gemini(base_url="http://127.0.0.1:1/"),
            "http://127.0.0.1:1/v1beta/models/gemini-3-pro:generateContent",
            id="a proxy",
        ),
        pytest.param(
            gemini("tunedModels/mine", base_url="http://127.0.0.1:1/v1"),
            "http://127.0.0.1:1/v1/tunedModels/mine:generateContent",
            id="a tuned model, and a base URL with a version",
        ),
    ],
)
def test_the_call_goes_to_the_right_address(target: Target, url: str) -> None:
    call = DIALECT.encode(CompletionRequest(target, [user("Hi")]))
    assert (call.method, call.url, call.headers["x-goog-api-key"]) == ("POST", url, CANARY)


def test_every_parameter_is_sent() -> None:
    given = {"temperature": "0", "maxTokens": 64, "topP": "0.5", "topK": 40}
    penalties = {"frequencyPenalty": "-1.5", "presencePenalty": "1.5"}
    llm = an_llm("gemini-3-pro", provider="google", parameters=given | penalties)
    assert ignored_parameters(llm) == ()
    body = sent(user("Hi"), target=gemini(parameters=given | penalties))
    assert body["generationConfig"] == {
        "temperature": 0.0,
        "topP": 0.5,
        "topK": 40,
        "maxOutputTokens": 64,
        "presencePenalty": 1.5,
        "frequencyPenalty": -1.5,
    }
    assert "generationConfig" not in sent(user("Hi"))


def test_settings_without_effect_are_named() -> None:
    llm = an_llm("m", provider="google", google={"cloudProject": "p", "cloudLocation": "l"})
    assert set(ignored_parameters(llm)) == {"google.cloudProject", "google.cloudLocation"}


def test_a_turn_that_came_signed_goes_back_as_it_came() -> None:
    parts = [{"text": "I add."}, a_call("c1", **SIGNATURE), a_call("c2"), {"text": "", "thoughtSignature": "ZW5k"}]
    message = Message.from_wire(parse(a_body(*parts)).message.to_json())
    contents = sent(user("Add."), message, result("c1"), result("c2"))["contents"]
    assert contents[1] == {"role": "model", "parts": parts}
    assert [part["functionResponse"]["id"] for part in contents[2]["parts"]] == ["c1", "c2"]


def test_another_model_gets_the_turn_from_its_normal_form_with_the_value_for_a_missing_signature() -> None:
    message = parse(a_body(a_call("c1", **SIGNATURE), a_call("c2"))).message
    model_turn = sent(user("Add."), message, target=gemini("gemini-3-flash"))["contents"][1]
    assert model_turn["parts"] == [a_call("c1", thoughtSignature=NO_SIGNATURE), a_call("c2")]
    older = sent(user("Add."), message, target=gemini("gemini-2.5-flash"))["contents"][1]
    assert older["parts"] == [a_call("c1"), a_call("c2")]


def test_a_turn_that_no_longer_fits_its_pieces_is_rebuilt() -> None:
    message = parse(a_body({"text": "I add."}, a_call("c1", **SIGNATURE))).message
    shorter = message.with_changes(content="I")
    assert sent(user("Add."), shorter)["contents"][1]["parts"] == [
        {"text": "I"},
        a_call("c1", thoughtSignature=NO_SIGNATURE),
    ]


def test_results_say_whether_they_are_errors_and_carry_the_name_of_the_call() -> None:
    window = (user("Add."), assistant("", "c1", "c2"), result("c1"), result("c2", "no", is_error=True), user("So?"))
    contents = sent(*window)["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user", "user"]
    assert contents[2]["parts"] == [
        {"functionResponse": {"id": "c1", "name": "add", "response": {"output": "7"}}},
        {"functionResponse": {"id": "c2", "name": "add", "response": {"error": "no"}}},
    ]


def test_a_name_that_begins_with_a_digit_is_sent_in_a_form_that_is_taken_and_comes_back_as_ours() -> None:
    tool = ToolDefinition("1tool", "Counts.", {"type": "object"})
    (declaration,) = sent(user("Hi"), tools=(tool,))["tools"][0]["functionDeclarations"]
    assert declaration == {"name": "_1tool", "description": "Counts."}
    (call,) = parse(a_body({"functionCall": {"name": "_1tool"}}), tool).message.tool_calls
    assert (call.id, call.function.name, call.function.arguments) == ("", "1tool", "")


# --- the answer


def test_thoughts_are_no_text_and_usage_is_counted_by_sort() -> None:
    counts = {"promptTokenCount": 10, "toolUsePromptTokenCount": 1, "candidatesTokenCount": 5, "thoughtsTokenCount": 3}
    body = a_body({"text": "Hm.", "thought": True}, {"text": "Hi."}) | {
        "usageMetadata": counts | {"cachedContentTokenCount": 4, "totalTokenCount": 19}
    }
    completion = parse(body)
    assert (completion.message.content, completion.finish_reason, completion.model) == (
        "Hi.",
        "STOP",
        "gemini-3-pro-001",
    )
    usage = completion.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (11, 8, 19)
    assert (usage.cache_read_tokens, usage.reasoning_tokens) == (4, 3)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        pytest.param(a_body(reason="SAFETY"), errors.RequestRefused, "SAFETY", id="a filter"),
        pytest.param(a_body({"text": "Once"}, reason="RECITATION"), errors.RequestRefused, "RECITATION", id="half"),
        pytest.param(
            a_body(reason="MALFORMED_FUNCTION_CALL", candidates=[
                {"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "print(add(1"}
            ]),
            errors.InvalidAnswer, "print", id="a call that nobody can read",
        ),
        pytest.param(a_body(reason="UNEXPECTED_TOOL_CALL"), errors.InvalidAnswer, "UNEXPECTED", id="no such tool"),
        pytest.param(a_body({"text": "x"}, reason="OTHER"), errors.ServerFailed, "OTHER", id="stopped"),
        pytest.param(a_body(reason="MAX_TOKENS"), errors.RequestRefused, "token limit", id="cut before a word"),
        pytest.param(a_body({"text": "Hm", "thought": True}), errors.InvalidAnswer, "only reasoning", id="thoughts"),
        pytest.param(
            {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 10}},
            errors.RequestRefused, "PROHIBITED_CONTENT", id="a blocked prompt",
        ),
        pytest.param(
            {"candidates": [], "usageMetadata": {"promptTokenCount": 10}}, errors.InvalidAnswer, "no candidates",
            id="no candidate",
        ),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_has_a_reason_and_its_usage(body: object, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        parse(body)
    assert isinstance(caught.value, errors.LLMError)
    assert caught.value.usage is not None
    assert caught.value.usage.input_tokens == 10


def test_an_answer_cut_by_the_token_limit_says_so() -> None:
    completion = parse(a_body({"text": "Once upon"}, reason="MAX_TOKENS"))
    assert completion.cut is not None


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        pytest.param(
            refused(400, "API key not valid. Please pass a valid API key.", {"reason": "API_KEY_INVALID"}),
            errors.AuthenticationFailed, id="a wrong key inside a 400",
        ),
        pytest.param(
            refused(404, "models/gemini-3-pro is not found for API version v1beta.",
                    code="NOT_FOUND"),
            errors.ModelNotFound, id="no such model",
        ),
        pytest.param(
            refused(403, "Permission denied.", code="PERMISSION_DENIED"), errors.AuthenticationFailed, id="not allowed"
        ),
        pytest.param(refused(503, "It is overloaded.", code="UNAVAILABLE"), errors.ServerFailed, id="overloaded"),
        pytest.param(refused(400, "Invalid value at 'contents'."), errors.RequestRefused, id="a bad request"),
        pytest.param(
            refused(400, "Function call is missing a thought_signature in functionCall parts."),
            errors.ProviderDataRefused, id="a signature",
        ),
    ],
)  # fmt: skip
def test_errors_are_sorted(reply: HttpReply, kind: type[errors.LLMError]) -> None:
    with pytest.raises(errors.LLMError) as caught:
        parse_reply(reply)
    assert type(caught.value) is kind


QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"


@pytest.mark.parametrize(
    ("quota", "wait"),
    [
        pytest.param("GenerateRequestsPerMinutePerProjectPerModel", 34.0, id="of a minute: the wait that is told"),
        pytest.param("GenerateRequestsPerDayPerProjectPerModel-FreeTier", 20 * 3600.0, id="of a day: its reset"),
    ],
)
def test_a_quota_tells_when_to_try_again(quota: str, wait: float) -> None:
    reply = refused(
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        {"@type": QUOTA, "violations": [{"quotaId": quota}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"},
        code="RESOURCE_EXHAUSTED",
    )
    assert datetime(2026, 11, 22, 12, tzinfo=UTC) == NOW
    with pytest.raises(errors.RateLimited) as caught:
        parse_reply(reply)
    assert caught.value.retry_after_seconds == wait


def test_the_free_check_reads_the_limits_of_the_model() -> None:
    probe = DIALECT.probe(gemini())
    call = next(probe)
    assert call.url == "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-pro"
    limits = {"inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536}
    with pytest.raises(StopIteration) as end:
        probe.send(a_reply(200, {"name": "models/gemini-3-pro", "displayName": "Gemini 3 Pro"} | limits))
    verdict = end.value.value
    assert isinstance(verdict, Accepted)
    assert verdict.facts is not None
    assert (verdict.facts.context_window, verdict.facts.max_output_tokens) == (1_048_576, 65_536)
