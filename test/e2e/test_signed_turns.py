"""What a provider signs comes back to it as it came, over tool calls and kills; another model gets the normal form.

The models refuse a request that does not bring a turn of theirs back byte for byte, or that has signatures of others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from test.e2e.cluster import Namespace
from test.e2e.manifests import a_builtin, a_secret, a_task, an_agent, an_llm, refs
from test.e2e.processes import Program
from test.e2e.servers.signer import FORMATS, Model, Signer
from test.e2e.test_views import kubechain

RUN = "hello-world-task-1"
RECOVERY_SECONDS = 90.0
"""A successor may have to wait until the claim of the dead one runs out."""

PROVIDERS = [
    pytest.param("google", id="thought signatures of Gemini"),
    pytest.param("openai", id="encrypted reasoning of Responses"),
    pytest.param("anthropic", id="signed thinking of Anthropic"),
]

CHANGES = [
    pytest.param("google", "anthropic", id="from Gemini to Anthropic"),
    pytest.param("anthropic", "openai", id="from Anthropic to Responses"),
    pytest.param("openai", "google", id="from Responses to Gemini"),
    pytest.param("google", "google", id="to another model of Gemini"),
    pytest.param("openai", "openai", id="to another model of Responses"),
    pytest.param("anthropic", "anthropic", id="to another model of Anthropic"),
]

WHOLE = [
    ("system", 0),
    ("user", 0),
    ("assistant", 1),
    ("tool", 0),
    ("assistant", 2),
    ("tool", 0),
    ("tool", 0),
    ("assistant", 0),
]
"""Role and number of calls of each message of a run."""

pytestmark = pytest.mark.usefixtures("running_again")


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    with Signer() as signer:
        yield signer


def a_model(
    namespace: Namespace,
    signer: Signer,
    provider: str,
    *,
    llm: str = "gpt-4o",
    parameters: Mapping[str, Any] = MappingProxyType({}),
    **spec: Any,
) -> Model:
    """A model of this test, and an LLM for it."""
    name = f"{namespace.name}-{llm}"
    base = f"{signer.url}/v1" if provider == "openai" else signer.url
    made = an_llm(llm, base_url=base, model=name, **{**FORMATS[provider].spec, **spec})
    made["spec"]["parameters"].update(parameters)
    namespace.apply(a_secret(), made)
    return signer.model(provider, name)


def adding(**spec: Any) -> list[dict[str, Any]]:
    """The tool that the models call, and an Agent that has it."""
    return [a_builtin("add"), an_agent(tools=refs("add"), **spec)]


def conversation(run: dict[str, Any]) -> list[tuple[str, int]]:
    """Role and number of calls of each message."""
    return [(one["role"], len(one.get("toolCalls", []))) for one in run["status"]["contextWindow"]]


def assert_whole(run: dict[str, Any], *models: Model) -> None:
    """One call, then two side by side, then the answer; and no model missed anything."""
    assert [model.refusals for model in models] == [[] for _ in models]
    assert conversation(run) == WHOLE
    assert run["status"]["output"] == models[0].said(2).text


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_run_brings_back_each_turn_as_it_came_over_kills(
    namespace: Namespace, signer: Signer, manager: Program, provider: str
) -> None:
    model = a_model(namespace, signer, provider)
    model.hold()
    namespace.apply(*adding(), a_task())
    model.wait_for_call()
    for _ in model.calls:
        model.let_pass()
        model.wait_for_call()
        manager.kill()
        manager.start()
        model.wait_for_call(timeout_seconds=RECOVERY_SECONDS)
    model.let_pass()
    run = namespace.finished(RUN, timeout_seconds=RECOVERY_SECONDS)
    assert_whole(run, model, model)


LONG = 40_000
"""Bytes of a signature; a few of them are more than the status of a run keeps of a conversation."""


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "form",
    [
        pytest.param({}, id="that came whole"),
        pytest.param({"stream": "Always"}, id="that came as streams"),
    ],
)
def test_a_run_brings_back_turns_that_have_moved_into_chunks_over_a_kill(
    namespace: Namespace, signer: Signer, manager: Program, provider: str, form: dict[str, str]
) -> None:
    model = a_model(namespace, signer, provider, parameters=form)
    model.calls, model.signature_bytes = (1, 2, 1, 2, 1, 2), LONG
    model.hold()
    namespace.apply(*adding(), a_task())
    for _ in model.calls:
        model.wait_for_call()
        model.let_pass()
    model.wait_for_call()
    manager.kill()
    manager.start()
    model.wait_for_call(timeout_seconds=RECOVERY_SECONDS)
    model.let_pass()
    run = namespace.finished(RUN, timeout_seconds=RECOVERY_SECONDS)
    assert model.refusals == []
    assert run["status"]["output"] == model.said(len(model.calls)).text
    assert run["status"]["chunks"]["count"] > 0
    assert bool(model.streamed) == bool(form)


@pytest.mark.parametrize(("provider", "other"), CHANGES)
def test_a_run_that_falls_back_in_between_brings_each_model_its_own_turns_only(
    namespace: Namespace, signer: Signer, provider: str, other: str
) -> None:
    first = a_model(namespace, signer, provider, fallbacks=refs("second"))
    second = a_model(namespace, signer, other, llm="second")
    first.down_at = frozenset({1})
    namespace.apply(*adding(), a_task())
    run = namespace.finished(RUN)
    assert_whole(run, first, second)
    assert (first.answered, second.answered) == ([0, 2], [1])
    assert [one["llmName"] for one in run["status"]["answeredBy"]] == ["gpt-4o", "second", "gpt-4o"]


@pytest.mark.parametrize(("provider", "other"), CHANGES)
def test_a_run_is_continued_by_the_same_model_and_tried_again_by_another(
    namespace: Namespace, signer: Signer, provider: str, other: str
) -> None:
    first, second = a_model(namespace, signer, provider), a_model(namespace, signer, other, llm="second")
    namespace.apply(*adding(), a_task())
    namespace.finished(RUN)
    assert kubechain(namespace, "continue", RUN, "Once more?").out == first.said(3).text + "\n"
    namespace.apply(an_agent(llm="second", tools=refs("add")))
    namespace.wait("agent/my-assistant", "{.status.observedGeneration}", "2")
    assert kubechain(namespace, "continue", RUN, "Once more?").out == second.said(3).text + "\n"
    assert kubechain(namespace, "retry", RUN, "--from-turn", "2").out == second.said(2).text + "\n"
    assert (first.refusals, second.refusals) == ([], [])
    assert second.answered == [3, 1, 2]
