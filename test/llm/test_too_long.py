"""A conversation that is longer than the model's window is told apart, in the words of all servers."""

from __future__ import annotations

import pytest

from kubechain.llm import errors
from kubechain.llm.failures import failure, failure_inside
from test.llm.builders import a_reply, a_target

OPENAI = "This model's maximum context length is 8192 tokens. However, your messages resulted in 10020 tokens."


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(
            400,
            {"error": {"message": OPENAI, "type": "invalid_request_error", "code": "context_length_exceeded"}},
            id="OpenAI",
        ),
        pytest.param(
            400,
            {"error": {"message": "Your input exceeds the context window of this model.", "code": "invalid_prompt"}},
            id="OpenAI Responses",
        ),
        pytest.param(
            400,
            {
                "type": "error",
                "error": {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000"},
            },
            id="Anthropic",
        ),
        pytest.param(
            400,
            {"error": {"message": "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000"}},
            id="Anthropic with the answer",
        ),
        pytest.param(
            413, {"type": "error", "error": {"type": "request_too_large", "message": "Too big"}}, id="Anthropic's 413"
        ),
        pytest.param(
            400,
            {
                "error": {
                    "code": 400,
                    "status": "INVALID_ARGUMENT",
                    "message": "The input token count (1200000) exceeds the maximum number of tokens (1048576).",
                }
            },
            id="Gemini",
        ),
        pytest.param(
            400,
            {"error": {"message": "The input token count is 32941 but model only supports up to 32767."}},
            id="Vertex",
        ),
        pytest.param(
            400,
            {"message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"},
            id="Mistral",
        ),
        pytest.param(400, {"message": "Input is too long for requested model."}, id="Bedrock"),
        pytest.param(
            400,
            {"error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens."},
            id="xAI",
        ),
        pytest.param(
            400,
            {"error": {"message": "Please reduce the length of the messages or completion."}},
            id="Groq and Cerebras",
        ),
        pytest.param(
            400, {"error": {"message": "Invalid request: Your request exceeded model token limit: 8192"}}, id="Moonshot"
        ),
        pytest.param(400, {"error": {"code": "1261", "message": "Prompt 超长"}}, id="Zhipu"),
        pytest.param(
            400,
            {"message": "The decoder prompt (length 5000) is longer than the maximum model length of 4096."},
            id="vLLM",
        ),
        pytest.param(
            422,
            {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"},
            id="TGI",
        ),
        pytest.param(
            400,
            {
                "error": {
                    "code": 400,
                    "message": "the request exceeds the available context size, try increasing it",
                    "type": "exceed_context_size_error",
                }
            },
            id="llama.cpp",
        ),
        pytest.param(
            500, {"error": {"message": "the request exceeds the available context size"}}, id="llama.cpp of 2024"
        ),
        pytest.param(400, "Requested tokens (5000) exceed context window of 4096", id="llama-cpp-python"),
        pytest.param(400, {"detail": "Range of input length should be [1, 30720]"}, id="Qwen"),
        pytest.param(413, "<html><title>413 Request Entity Too Large</title></html>", id="a gateway"),
    ],
)
def test_a_conversation_that_is_too_long_is_told_apart(status: int, body: object) -> None:
    assert type(failure(a_target(), a_reply(status, body))) is errors.ContextTooLong


def test_a_gateway_may_say_it_inside_of_a_success() -> None:
    body = {"error": {"message": OPENAI, "code": "context_length_exceeded"}}
    assert type(failure_inside(a_target(), a_reply(200, body))) is errors.ContextTooLong


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(
            400,
            {
                "error": {
                    "message": "max_tokens is too large: 100000. This model supports at most 16384 completion tokens"
                }
            },
            id="an answer that may be too long",
        ),
        pytest.param(400, {"error": {"message": "Invalid 'tools[0].function.name': string too long."}}, id="a name"),
        pytest.param(400, {"error": {"message": "Unsupported parameter: context_management"}}, id="a parameter"),
        pytest.param(429, {"error": {"message": "Rate limit reached, reduce your prompt size"}}, id="a rate limit"),
        pytest.param(
            401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, id="a key that is refused"
        ),
    ],
)
def test_what_a_shorter_conversation_does_not_help_is_another_failure(status: int, body: object) -> None:
    assert type(failure(a_target(), a_reply(status, body))) is not errors.ContextTooLong
