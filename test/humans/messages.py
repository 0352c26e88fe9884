"""Messages as tests need them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import HumanRequestType, RequestContent, RequestSubject
from kubechain.api.references import LocalObjectReference
from kubechain.humans.model import Message

NOW = datetime.now(UTC).replace(microsecond=0)
DIGEST = "sha256:" + "0" * 64


def asked(type: HumanRequestType = HumanRequestType.APPROVAL, **changes: Any) -> RequestContent:
    values: dict[str, Any] = {
        "type": type,
        "subject": RequestSubject(resource="mcpservers", name="github"),
        "task_run_ref": LocalObjectReference(name="hello-1"),
        "tool": "github__delete_repo",
        "arguments": '{"repo": "old"}',
        "digest": DIGEST,
        "choices": (DecisionChoice.APPROVE, DecisionChoice.REJECT),
    }
    return RequestContent(**(values | changes))


def a_message(content: RequestContent | None = None, **links: str) -> Message:
    return Message(
        key="kubechain-1",
        namespace="default",
        name="hello-1-t0-c0",
        channel="ops",
        asked=content or asked(),
        created_at=NOW,
        links=links,
    )
