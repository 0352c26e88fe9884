"""The message by which a channel asks about a request, with its signed links: pure."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from kubechain.api.approval import DecisionChoice
from kubechain.api.contactchannel import ContactChannel
from kubechain.api.humanrequest import HumanRequest
from kubechain.humans import links
from kubechain.humans.links import Link
from kubechain.humans.model import Message

LINK_LIFE = timedelta(days=30)
"""How long the links of a request work that never expires; the request itself stays open."""


def message_of(
    request: HumanRequest, contact: ContactChannel, link_key: bytes | None, *, is_reminder: bool = False
) -> Message:
    """What people are asked by a channel.

    Args:
        is_reminder: Whether they were asked before.
        link_key: The key that links are signed with; None for no links.
    """
    asked, metadata = request.spec.request, request.metadata
    key = message_key(request, contact, is_reminder=is_reminder)
    created_at = metadata.creation_timestamp
    assert created_at is not None, "the API server gives it"
    until = asked.expires_at or created_at + LINK_LIFE
    found: dict[str, str] = {}
    if contact.spec.links is not None and link_key is not None:
        base = contact.spec.links.base_url
        found = {
            choice.value: links.address(base, link_key, _link(request, contact, choice, until, key))
            for choice in asked.choices
        }
    return Message(
        key=key,
        namespace=metadata.namespace,
        name=metadata.name,
        channel=contact.metadata.name,
        asked=asked,
        created_at=created_at,
        links=found,
        is_reminder=is_reminder,
    )


def message_key(request: HumanRequest, contact: ContactChannel, *, is_reminder: bool = False) -> str:
    """The key of the message: the same for each attempt, and no other message has it."""
    text = f"{request.metadata.uid}/{contact.metadata.uid}" + ("/reminder" if is_reminder else "")
    return f"kubechain-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _link(request: HumanRequest, contact: ContactChannel, choice: DecisionChoice, until: datetime, key: str) -> Link:
    return Link(
        namespace=request.metadata.namespace,
        name=request.metadata.name,
        uid=request.metadata.uid,
        channel=contact.metadata.name,
        digest=request.spec.request.digest,
        choice=choice.value,
        expires_at=until,
        nonce=key,
    )
