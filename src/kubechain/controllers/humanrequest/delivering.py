"""Sends a request by its channel, under a claim, and records what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.contactchannel import ContactChannel
from kubechain.api.humanrequest import Delivery, HumanRequest
from kubechain.controllers.channels import ChannelDirectory
from kubechain.controllers.frame import Again, Done, Settled, StatusWriter, soonest
from kubechain.controllers.humanrequest import deliveries
from kubechain.controllers.humanrequest.deliveries import Failed, Outcome, Sent
from kubechain.controllers.humanrequest.messages import message_of
from kubechain.controllers.humanrequest.steps import CloseDelivery, Deliver
from kubechain.controllers.outcomewriter import ClaimedWrite, OutcomeWriter
from kubechain.controllers.secrets import SecretUnavailable
from kubechain.humans.model import (
    Absent,
    Channel,
    ChannelError,
    InvalidChannel,
    MayBeSent,
    Message,
    NotAskable,
    Receipt,
    Refused,
)
from kubechain.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class Deliverer:
    """Carries out the steps that reach a channel."""

    directory: ChannelDirectory
    writer: StatusWriter[HumanRequest]
    clock: Clock

    async def deliver(self, request: HumanRequest, step: Deliver) -> Done:
        """Claim, send, record. Nothing is sent under a claim that the server has not confirmed."""
        claimed = await self.writer.write(request, deliveries.claimed(request, step.claim))
        if claimed is None:
            return Done()
        outcome = await self._sent(claimed, step)
        last = Settled()

        def settle(current: HumanRequest) -> Settled:
            nonlocal last
            last = deliveries.recorded(current, step.claim, outcome, self.clock.now())
            return last

        await OutcomeWriter(self.writer, self.clock).write(
            claimed,
            ClaimedWrite(
                holds=lambda current: deliveries.holds(current, step.claim),
                settle=settle,
                # The claim stays, and runs out: whoever comes then looks the message up.
                refused=lambda current, error: Settled(),
                delayed=lambda current, refusal: Settled(),
            ),
        )
        return Done(soonest(last.requeue_after_seconds, step.wait_seconds))

    async def close(self, request: HumanRequest, step: CloseDelivery) -> Again[HumanRequest]:
        """Tell the channel how the request ended. It needs no claim: telling it twice changes nothing more."""
        failure = await self._closed(request, step.contact, step) if step.contact is not None else None
        settled = deliveries.closed(request, step.delivery, failure, self.clock.now())
        return Again(await self.writer.write(request, settled))

    async def _sent(self, request: HumanRequest, step: Deliver) -> Outcome:
        try:
            channel, message = await self._opened(request, step.contact, is_reminder=step.claim.reminder)
            found = await channel.find(message) if step.is_unclear else None
            receipt = found if isinstance(found, Receipt) else await channel.deliver(message)
        except (InvalidChannel, SecretUnavailable) as error:
            return Failed(str(error), is_unclear=step.is_unclear)
        except ChannelError as error:
            self._doubt(step.contact, error)
            is_unclear = step.is_unclear or isinstance(error, MayBeSent)
            return Failed(str(error), error.retry_after_seconds, is_unclear=is_unclear)
        return Sent(receipt.external_id)

    async def _closed(self, request: HumanRequest, contact: ContactChannel, step: CloseDelivery) -> Failed | None:
        try:
            channel, message = await self._opened(request, contact, is_reminder=step.delivery.reminder)
            if (receipt := await _receipt(channel, message, step.delivery)) is not None:
                await channel.close(message, receipt, request.status.status_detail or "the request is over")
        except (InvalidChannel, SecretUnavailable) as error:
            return Failed(str(error), is_unusable=True)
        except ChannelError as error:
            self._doubt(contact, error)
            return Failed(str(error), error.retry_after_seconds)
        return None

    def _doubt(self, contact: ContactChannel, error: ChannelError) -> None:
        """A service that says no may have been shown a key of yesterday."""
        if isinstance(error, Refused):
            self.directory.doubt(contact)

    async def _opened(
        self, request: HumanRequest, contact: ContactChannel, *, is_reminder: bool
    ) -> tuple[Channel, Message]:
        channel, link_key = await self.directory.open(contact), await self.directory.link_key(contact)
        return channel, message_of(request, contact, link_key, is_reminder=is_reminder)


async def _receipt(channel: Channel, message: Message, delivery: Delivery) -> Receipt | None:
    """The message that is to be closed; None where there is none, or where nobody knows what the channel calls it."""
    if delivery.external_id is not None:
        return Receipt(delivery.external_id)
    match await channel.find(message):
        case Receipt() as found:
            return found
        case NotAskable(receipt):
            return receipt
        case Absent():
            return None
