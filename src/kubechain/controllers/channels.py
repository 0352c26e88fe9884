"""Opens ContactChannels: their type, with the secrets that their spec names. What must not go here: any log line."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from kubechain.api.contactchannel import ContactChannel
from kubechain.api.meta import StatusType
from kubechain.api.references import SecretKeyRef
from kubechain.controllers.frame import soonest
from kubechain.controllers.secrets import JUST_READ_SECONDS, SecretReader
from kubechain.humans import links, slack
from kubechain.humans.model import App, Channel, ChannelKinds

LINK_KEY = "links"
"""Name of the key that links are signed with, among the secrets of a channel."""


@dataclass(frozen=True, slots=True)
class ChannelDirectory:
    """The types of channels that this manager has, and the secrets of each channel."""

    kinds: ChannelKinds
    secrets: SecretReader

    async def open(self, channel: ContactChannel) -> Channel:
        """The channel, ready to be used.

        Raises:
            InvalidChannel: Its spec or one of its secrets has the wrong form.
            SecretUnavailable: A secret is not there.
        """
        kind = self.kinds.get(channel.spec.type)
        references = kind.secrets_of(channel.spec)
        secrets = {name: await self.secret(channel, reference) for name, reference in references.items()}
        await self.link_key(channel)
        await self.app(channel)
        return kind.open(channel.spec, secrets)

    async def link_key(self, channel: ContactChannel) -> bytes | None:
        """The key that the channel's links are signed with; None where it has no links.

        Raises:
            InvalidChannel: It is too short.
            SecretUnavailable: It is not there.
        """
        if channel.spec.links is None:
            return None
        return links.checked_key(await self.secret(channel, channel.spec.links.key_from.secret_key_ref))

    async def app(self, channel: ContactChannel) -> App | None:
        """The app whose connection brings the channel's answers; None where they come in another way.

        Raises:
            InvalidChannel: Its token has the wrong form.
            SecretUnavailable: Its token is not there.
        """
        settings = channel.spec.slack if channel.spec.type == "slack" else None
        if settings is None or settings.app_token_from is None:
            return None
        return slack.app(settings, await self.secret(channel, settings.app_token_from.secret_key_ref))

    async def secret(self, channel: ContactChannel, reference: SecretKeyRef) -> SecretStr:
        """One secret of the channel.

        Raises:
            SecretUnavailable: It is not there.
        """
        return SecretStr(await self.secrets.value(channel.metadata.namespace, reference.name, reference.key))

    async def fingerprint(self, channel: ContactChannel) -> str:
        """Changes whenever another check could have another result."""
        namespace, is_refused = channel.metadata.namespace, channel.status.status == StatusType.ERROR
        versions = [
            f"{name}={await self.secrets.version(namespace, name, is_unusable=is_refused)}"
            for name in secret_names(channel)
        ]
        return "/".join((channel.metadata.uid, str(channel.metadata.generation), *versions))

    def look_again_seconds(self, channel: ContactChannel) -> float | None:
        """When a channel that is refused looks at its Secrets again; None where a watch tells of changes."""
        namespace = channel.metadata.namespace
        return soonest(*(self.secrets.look_again_seconds(namespace, name) for name in secret_names(channel)))

    def doubt(self, channel: ContactChannel, *, older_than_seconds: float = JUST_READ_SECONDS) -> bool:
        """Have the Secrets of a channel that are not watched read again at their next use; whether one will be."""
        namespace = channel.metadata.namespace
        doubted = [
            self.secrets.doubt(namespace, name, older_than_seconds=older_than_seconds) for name in secret_names(channel)
        ]
        return any(doubted)


def secret_names(channel: ContactChannel) -> list[str]:
    """The Secrets that the spec names, in a fixed order."""
    spec = channel.spec
    sources = (
        spec.api_key_from,
        spec.links.key_from if spec.links else None,
        spec.slack.signing_secret_from if spec.slack else None,
        spec.slack.app_token_from if spec.slack else None,
        spec.email.smtp.password_from if spec.email and spec.email.smtp else None,
    )
    return sorted({source.secret_key_ref.name for source in sources if source is not None})
