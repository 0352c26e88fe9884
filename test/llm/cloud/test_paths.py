"""Where calls of the clouds go: hosts by region, paths by project, deployment and maker of the model."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from kubechain.llm import providers
from kubechain.llm.cloud_endpoints import VertexPaths
from kubechain.llm.errors import InvalidTarget
from kubechain.llm.exchange import HttpCall
from test.llm.builders import a_request, a_target

PROJECT = "projects/moonville/locations"
CLAUDE_ON_VERTEX = "publishers/anthropic/models/claude-sonnet-5@20260929"
MANTLE = "https://bedrock-mantle.eu-west-1.api.aws"


def encoded(model: str, **spec: Any) -> HttpCall:
    target = a_target(model, **spec)
    return providers.row_for(target.provider).dialect_named(target.dialect).encode(a_request(target))


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
    ],
)
def test_claude_on_vertex(location: str, host: str) -> None:
    vertex = {"cloudProject": "moonville", "cloudLocation": location}
    call = encoded("claude-sonnet-5@20260929", provider="vertex", vertex=vertex)
    body = orjson.loads(call.body or b"")
    assert call.url == f"https://{host}/v1/{PROJECT}/{location}/{CLAUDE_ON_VERTEX}:rawPredict"
    assert body["anthropic_version"] == "2026-10-21"
    assert "model" not in body


def test_sampling_parameters_want_an_older_version() -> None:
    vertex, temperature = {"cloudProject": "moonville", "cloudLocation": "eu"}, {"temperature": "0.5"}
    call = encoded("claude-sonnet-5", provider="vertex", vertex=vertex, parameters=temperature)
    assert orjson.loads(call.body or b"")["anthropic_version"] == "vertex-2023-10-16"
    call = encoded("anthropic.claude-5", provider="bedrock", bedrock={"region": "eu-west-1"}, parameters=temperature)
    assert call.headers["anthropic-version"] == "2023-06-01"


def test_a_stream_of_claude_on_vertex() -> None:
    vertex = {"cloudProject": "moonville", "cloudLocation": "global"}
    call = encoded("claude-sonnet-5@20260929", provider="vertex", vertex=vertex, parameters={"stream": "Always"})
    assert call.url.endswith(f"/{CLAUDE_ON_VERTEX}:streamRawPredict")


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("models/gemini-4-pro:generateContent", f"{PROJECT}/eu/publishers/google/models/gemini-4-pro:generateContent"),
        ("models/gemini-4-pro", "publishers/google/models/gemini-4-pro"),
    ],
)
def test_paths_for_gemini_on_vertex(operation: str, path: str) -> None:
    assert VertexPaths("moonville", "eu").path(operation, "gemini-4-pro") == path


def test_gemini_on_vertex() -> None:
    vertex = {"cloudProject": "moonville", "cloudLocation": "global"}
    call = encoded("gemini-4-pro", provider="vertex", vertex=vertex)
    place = f"https://aiplatform.googleapis.com/v1/{PROJECT}/global/publishers/google"
    assert call.url == f"{place}/models/gemini-4-pro:generateContent"
    assert call.headers["authorization"].startswith("Bearer ")


@pytest.mark.parametrize("value", ["evil.test/", "eu/../..", "EU", "a.b", "@evil"])
def test_a_region_that_would_change_the_host_is_refused(value: str) -> None:
    vertex = {"cloudProject": "moonville", "cloudLocation": value}
    with pytest.raises(InvalidTarget, match=r"vertex\.cloudLocation: only small letters"):
        a_target("claude-sonnet-5", provider="vertex", vertex=vertex)
    with pytest.raises(InvalidTarget, match=r"bedrock\.region: only small letters"):
        a_target("claude-sonnet-5", provider="bedrock", bedrock={"region": value})


def test_a_project_cannot_change_the_path() -> None:
    assert VertexPaths("p/../x?y", "eu").path("models/m:v", "m").startswith("projects/p%2F..%2Fx%3Fy/locations/")


@pytest.mark.parametrize(
    ("model", "base_url", "url"),
    [
        ("openai.gpt-oss-120b", None, f"{MANTLE}/openai/v1/chat/completions"),
        ("anthropic.claude-sonnet-5", None, f"{MANTLE}/anthropic/v1/messages"),
        ("eu.anthropic.claude-sonnet-5", None, f"{MANTLE}/anthropic/v1/messages"),
        (
            "qwen.qwen3",
            "https://bedrock-runtime.eu-west-1.amazonaws.com",
            "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1/chat/completions",
        ),
    ],
)
def test_models_of_bedrock(model: str, base_url: str | None, url: str) -> None:
    call = encoded(model, provider="bedrock", bedrock={"region": "eu-west-1"}, base_url=base_url)
    assert call.url == url
    assert orjson.loads(call.body or b"")["model"] == model
    assert call.headers.get("anthropic-version") == ("2026-10-21" if "claude" in model else None)


@pytest.mark.parametrize("base_url", ["https://eu.api.openai.com/v1", "https://us.api.openai.com/v1", None])
def test_openais_regions_get_organization_and_project(base_url: str | None) -> None:
    call = encoded("m", base_url=base_url, openai={"organization": "org-1", "project": "proj_1"})
    assert call.url == f"{base_url or 'https://api.openai.com/v1'}/chat/completions"
    assert (call.headers["openai-organization"], call.headers["openai-project"]) == ("org-1", "proj_1")
