"""An LLM whose provider is down, and another one that answers, as a person with kubectl sees it."""

from __future__ import annotations

from test.e2e.cluster import Namespace
from test.e2e.manifests import a_secret, a_task, an_agent, an_llm
from test.e2e.model import Failure, MockModel, Script


def arranged(namespace: Namespace, model: MockModel) -> Script:
    """The LLM `first` whose provider is down, and `second`."""
    first = model[f"{namespace.name}-first"]
    first.respond = lambda call: Failure(503)
    namespace.apply(
        a_secret(),
        an_llm("first", base_url=model.base_url, model=f"{namespace.name}-first", fallbacks=[{"name": "second"}]),
        an_llm("second", base_url=model.base_url, model=f"{namespace.name}-second"),
        an_agent(llm="first"),
    )
    return first


def run_of(namespace: Namespace, task: str) -> str:
    namespace.apply(a_task(task))
    namespace.finished(f"{task}-1")
    return f"{task}-1"


def answerers(namespace: Namespace, run: str) -> str:
    path = "{range .status.answeredBy[*]}{.llmName}:{range .passedOver[*]} {.llmName} {.reason}{end}{end}"
    return namespace.kubectl("get", "taskrun", run, "-o", f"jsonpath={path}").out.strip()


def test_a_run_finishes_on_the_fallback_and_the_first_answers_when_it_is_back(
    namespace: Namespace, model: MockModel
) -> None:
    first = arranged(namespace, model)
    run = run_of(namespace, "down")
    assert answerers(namespace, run) == "second: first CallsFail"
    assert len(first.calls) == 3
    described = namespace.kubectl("describe", "taskrun", run).out
    assert 'LLM "second" is called: LLM "first" is passed over: ' in described
    assert "FallbackUsed" in described
    first.respond = None
    assert answerers(namespace, run_of(namespace, "up")) == "first:"


def test_a_fallback_that_is_missing_is_named_and_its_creation_is_seen(namespace: Namespace, model: MockModel) -> None:
    broken = an_llm("first", base_url=model.base_url, secret="nowhere", fallbacks=[{"name": "second"}])
    namespace.apply(a_secret(), broken, an_agent(llm="first"))
    namespace.wait("llm/first", '{.status.conditions[?(@.type=="FallbacksReady")].message}', told("does not exist"))
    namespace.apply(an_llm("second", base_url=model.base_url, model=f"{namespace.name}-second"))
    run = run_of(namespace, "hello")
    assert answerers(namespace, run) == "second: first NotReady"


def told(state: str) -> str:
    return f'runs pass over: LLM "second" {state}'
