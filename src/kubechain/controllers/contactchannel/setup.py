"""Registers the control loop of ContactChannels, and the endpoints by which people answer."""

from __future__ import annotations

from kubechain.api import reasons
from kubechain.controllers import resources
from kubechain.controllers.contactchannel import watches
from kubechain.controllers.contactchannel.deciding import DecisionWriter
from kubechain.controllers.contactchannel.inbound import Inbound
from kubechain.controllers.contactchannel.interactions import Interactions
from kubechain.controllers.contactchannel.listeners import Listeners
from kubechain.controllers.contactchannel.reconciler import ContactChannelReconciler
from kubechain.controllers.parts import Parts
from kubechain.controllers.secrets import SECRETS
from kubechain.humans import links, slackevents
from kubechain.humans.model import App, Envelope
from kubechain.runtime.controller import controller
from kubechain.runtime.manager import Manager
from kubechain.runtime.resource import metadata_only
from kubechain.runtime.sources import Trigger


def setup(manager: Manager, parts: Parts) -> None:
    """Follow ContactChannels and their Secrets; serve links and callbacks where the manager listens."""
    channels = manager.lister(resources.CONTACT_CHANNELS)
    requests = manager.lister(resources.HUMAN_REQUESTS)
    manager.add_index(resources.CONTACT_CHANNELS, watches.CHANNELS_BY_SOURCE, watches.secret_index)
    manager.add_index(resources.CONTACT_CHANNELS, watches.CHANNELS_BY_SLACK_ID, watches.slack_index)
    manager.add_index(resources.HUMAN_REQUESTS, watches.REQUESTS_BY_PLACE, watches.place_index)
    decisions = DecisionWriter(manager.client, manager.clock)
    interactions = Interactions(channels, requests, parts.channels, decisions)
    connection_changed = Trigger()

    async def answer(app: App, envelope: Envelope) -> bytes:
        said = slackevents.said_of(envelope.payload)
        return await interactions.answer(said, lambda channel: listeners.uses(channel, app))

    listeners = Listeners(parts.channels.kinds.connect, answer, connection_changed.enqueue, manager.clock)
    manager.add_runnable(listeners)
    reconciler = ContactChannelReconciler(
        channels=channels,
        directory=parts.channels,
        listeners=listeners,
        writer=parts.writer(resources.CONTACT_CHANNELS, reasons.CONTACT_CHANNEL_CONTROLLER),
        clock=manager.clock,
    )
    (
        controller(manager, "contactchannel")
        .for_(resources.CONTACT_CHANNELS)
        .watches(
            metadata_only(SECRETS), map=lambda secret: watches.channel_requests_for_secret(channels, secret.metadata)
        )
        .triggered_by(parts.secrets.changed, map=lambda secret: watches.channel_requests_for_secret(channels, secret))
        .triggered_by(connection_changed)
        .complete(reconciler)
    )
    inbound = Inbound(channels, parts.channels, decisions, interactions, manager.clock)
    # Any replica answers: a decision is one conditional write.
    manager.add_endpoint(links.PATH + "{token}", inbound.link)
    manager.add_endpoint("/contact/slack", inbound.slack, methods=("POST",))
    manager.add_endpoint("/contact/webhook/{namespace}/{name}", inbound.webhook, methods=("POST",))
