"""What `kubechain pending` shows of a request."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.humanrequest import HumanRequest
from kubechain.cli.pending import pending, what

BASE = {
    "subject": {"resource": "agents", "name": "a"},
    "taskRunRef": {"name": "r"},
    "digest": "sha256:" + "0" * 64,
    "choices": ["Reject"],
}


def a_request(name: str = "q", kind: str = "Question", **more: Any) -> HumanRequest:
    status = {"phase": more.pop("phase", "Open")}
    spec: dict[str, Any] = {"request": BASE | {"type": kind} | more}
    return HumanRequest.from_wire({"metadata": {"name": name, "namespace": "default"}, "spec": spec, "status": status})


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(a_request(message="Which colour?"), "Which colour?", id="a question"),
        pytest.param(
            a_request(tool="ask_human", arguments='{"message": "Blue?"}', message="The agent asks: Blue?"),
            "Blue?",
            id="a question of a model",
        ),
        pytest.param(a_request(tool="ask_human", arguments="[1]"), "ask_human [1]", id="a question that has been cut"),
        pytest.param(
            a_request(kind="Approval", tool="t__rm", arguments="{}", message="long"), "t__rm {}", id="an approval"
        ),
        pytest.param(
            a_request(kind="Url", url="https://a.example/x", message="Log in."), "https://a.example/x", id="a page"
        ),
        pytest.param(a_request(kind="Budget", message="100 turns."), "100 turns.", id="a budget"),
    ],
)
def test_what_is_asked_is_shown_in_a_few_words(request_: HumanRequest, expected: str) -> None:
    assert what(request_) == expected


def test_what_is_over_waits_for_nobody() -> None:
    waiting = [a_request("b"), a_request("a"), a_request("c", phase="Withdrawn"), a_request("d", phase="Expired")]
    assert [each.metadata.name for each in pending(waiting)] == ["a", "b"]
