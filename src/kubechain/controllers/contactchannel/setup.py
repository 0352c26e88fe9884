"""Registers the control loop of ContactChannels."""

from __future__ import annotations

from kubechain.api import reasons
from kubechain.controllers import resources
from kubechain.controllers.contactchannel.reconciler import ContactChannelReconciler
from kubechain.controllers.parts import Parts
from kubechain.runtime.controller import controller
from kubechain.runtime.manager import Manager


def setup(manager: Manager, parts: Parts) -> None:
    """Follow ContactChannels."""
    reconciler = ContactChannelReconciler(
        channels=manager.lister(resources.CONTACT_CHANNELS),
        writer=parts.writer(resources.CONTACT_CHANNELS, reasons.CONTACT_CHANNEL_CONTROLLER),
        clock=manager.clock,
    )
    controller(manager, "contactchannel").for_(resources.CONTACT_CHANNELS).complete(reconciler)
