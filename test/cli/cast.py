"""The objects that stand on the stage: runs in every phase, what they use, and what waits for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubechain.views.gathered import Gathered
from test.e2e.manifests import a_builtin, a_task, an_agent, an_llm
from test.pages.stories import a_gathered_family, usage
from test.views.builders import SYSTEM, a_request, a_run, answer, at, user

DIGEST = "sha256:" + "0" * 64

Wire = dict[str, Any]


def everything() -> list[Wire]:
    """All objects."""
    return [*_setup(), *_runs(), *_family(a_gathered_family(is_over=False)), *_requests()]


def _ready(manifest: Wire, detail: str, **more: Any) -> Wire:
    return {**manifest, "status": {"ready": True, "status": "Ready", "statusDetail": detail, **more}}


def _failing(manifest: Wire, detail: str) -> Wire:
    return {**manifest, "status": {"ready": False, "status": "Error", "statusDetail": detail}}


def _setup() -> Iterator[Wire]:
    made: list[Wire] = [
        _ready(an_llm("claude", base_url="https://models.example/v1"), "OpenAI API key validated successfully"),
        _failing(an_llm("spare", base_url="https://spare.example/v1", secret="spare"), 'Secret "spare" not found'),
        _ready(an_agent("upgrade-scout", llm="claude"), "All dependencies validated successfully"),
        _failing(an_agent("helper", llm="spare"), 'LLM "spare": Secret "spare" not found'),
        _ready(a_builtin("add"), "Tool validated successfully"),
        _ready(a_task("hello", agent="helper"), "Task Run Created"),
    ]
    for manifest in made:
        manifest["metadata"]["creationTimestamp"] = at(-90_000)
    yield from made


def _runs() -> Iterator[Wire]:
    window = [SYSTEM, user("What is new?")]
    answered = [*window, answer("Nothing is new.\nAsk again tomorrow.")]
    yield _wire(
        a_run(
            "hello-1", phase="FinalAnswer", contextWindow=answered, turn=1, output=answered[-1]["content"],
            usage=usage(900, 60, "0.0012"), completionTime=at(-55),
        )
    )  # fmt: skip
    why = "401 Unauthorized: Incorrect API key provided"
    yield _wire(a_run("broken-1", phase="Failed", contextWindow=window, error=why, completionTime=at(-50)))
    yield _wire(a_run("stopped-1", phase="Cancelled", contextWindow=window, completionTime=at(-40)))
    yield _wire(
        a_run(
            "a-run-with-a-name-that-somebody-wanted-to-be-complete-1", phase="ReadyForLLM", ready=True,
            contextWindow=window, statusDetail='Waiting for LLM "gpt": 2 calls under way, 3 runs before this one',
        )
    )  # fmt: skip
    yield _wire(
        a_run(
            "east-1", phase="FinalAnswer", contextWindow=[user("東京は?"), answer("東京は日本の首都です。" * 8)],
            turn=1, output="東京は日本の首都です。" * 8, completionTime=at(-30),
        )
    )  # fmt: skip


def _family(gathered: Gathered) -> Iterator[Wire]:
    yield _wire(gathered.run)
    for one in (*gathered.calls, *gathered.requests):
        yield _wire(one)
    for call, child in gathered.children.items():
        first, *others = _family(child)
        first["spec"]["taskRunToolCallRef"] = {"name": call}
        yield from (first, *others)


def _requests() -> Iterator[Wire]:
    question = a_request(
        "hello-2-t0-c0", "Question", choices=["Answer", "Reject"], subject={"resource": "agents", "name": "helper"},
        message="Which colour shall the new website have?", expiresAt=at(1800), taskRunRef={"name": "hello-2"},
    )  # fmt: skip
    yield _wire(question)
    budget = a_request(
        "hello-3-budget-1", "Budget", choices=["Approve", "Reject"], subject={"resource": "agents", "name": "helper"},
        message="The run has used 100 of 100 turns.", expiresAt=at(90_000), taskRunRef={"name": "hello-3"},
    )  # fmt: skip
    yield _wire(budget)


def _wire(obj: Any) -> Wire:
    return obj.to_wire()
