"""What an Agent's model may ask people by, and what it is told of them."""

from __future__ import annotations

import pytest

from kubechain.api.contactchannel import ContactChannel, ContactChannelSpec, EmailChannel, SlackChannel, WebhookChannel
from kubechain.api.references import LocalObjectReference
from kubechain.controllers.toolkinds.model import AskPerson, Missing, Offer
from kubechain.controllers.toolkinds.person import ASK_HUMAN, People
from test.controllers.builders import NAMESPACE, Shelf, an_agent, meta

SLACK = SlackChannel(channel_or_user_id="C123", context_about_channel_or_user="The on-call team.")
CHANNELS = (
    ContactChannel(metadata=meta("ops"), spec=ContactChannelSpec(type="slack", slack=SLACK)),
    ContactChannel(
        metadata=meta("boss"), spec=ContactChannelSpec(type="email", email=EmailChannel(address="boss@example.com"))
    ),
    ContactChannel(
        metadata=meta("hook"),
        spec=ContactChannelSpec(type="webhook", webhook=WebhookChannel(url="https://example.com")),
    ),
)
PEOPLE = People(Shelf(*CHANNELS))


@pytest.mark.parametrize(
    ("channel", "name", "description"),
    [
        pytest.param(
            "ops",
            "ops__human_contact_slack",
            "Ask a person a question in Slack (ops) and wait for the answer. The on-call team.",
            id="with what the channel says of its people",
        ),
        pytest.param(
            "boss",
            "boss__human_contact_email",
            "Ask a person a question by e-mail (boss) and wait for the answer.",
            id="a mail address",
        ),
        pytest.param(
            "hook",
            "hook__human_contact_webhook",
            "Ask a person a question by a webhook (hook) and wait for the answer.",
            id="a webhook",
        ),
    ],
)
def test_a_channel_is_offered(channel: str, name: str, description: str) -> None:
    [offer] = PEOPLE.offers(an_agent(human_contact_channels=(LocalObjectReference(name=channel),)))
    assert (offer.name, offer.description, offer.object) == (name, description, channel)
    assert PEOPLE.find(NAMESPACE, offer.pin()) == offer
    assert PEOPLE.plan(offer, {"message": "Why?"}, attempt=0, depth=0) == AskPerson()


def test_people_are_asked_without_a_channel_where_the_agent_may() -> None:
    assert list(PEOPLE.offers(an_agent(ask_human=True))) == [ASK_HUMAN]
    assert list(PEOPLE.offers(an_agent())) == []
    assert PEOPLE.find(NAMESPACE, ASK_HUMAN.pin()) == ASK_HUMAN


def test_a_channel_that_is_gone_is_waited_for() -> None:
    [offer] = PEOPLE.offers(an_agent(human_contact_channels=(LocalObjectReference(name="ops"),)))
    found = People(Shelf()).find(NAMESPACE, offer.pin())
    assert found == Missing('Waiting for ContactChannel "ops" to exist')


def test_a_question_keeps_the_name_under_which_it_was_offered_when_its_channel_changes() -> None:
    [offer] = PEOPLE.offers(an_agent(human_contact_channels=(LocalObjectReference(name="ops"),)))
    mail = ContactChannelSpec(type="email", email=EmailChannel(address="ops@example.com"))
    found = People(Shelf(ContactChannel(metadata=meta("ops"), spec=mail))).find(NAMESPACE, offer.pin())
    assert isinstance(found, Offer)
    assert found.name == "ops__human_contact_slack"
