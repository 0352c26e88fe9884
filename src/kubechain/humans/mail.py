"""The channel `email`: a mail with signed links, handed to the mail server that the spec names.

A mail cannot be looked up or taken back. One that may have been sent is sent again under the same `Message-ID`, by
which mail programs know it; its links say when there is nothing to decide any more.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib
from aiosmtplib import SMTP, SMTPException, SMTPRecipientsRefused, SMTPResponseException
from pydantic import SecretStr

from kubechain.api.contactchannel import ContactChannelSpec, EmailChannel, SmtpServer
from kubechain.api.references import SecretKeyRef
from kubechain.humans.mailtext import html_of, subject_of, text_of
from kubechain.humans.model import (
    MESSAGE_TIMEOUT_SECONDS,
    ChannelError,
    Found,
    InvalidChannel,
    MayBeSent,
    Message,
    NotAskable,
    NotSent,
    Receipt,
    Refused,
)
from kubechain.humans.sockets import connected
from kubechain.net.addresses import AddressPolicy
from kubechain.net.failures import cause
from kubechain.net.foreign import one_line, stable
from kubechain.net.redaction import redacted
from kubechain.net.resolution import Lookup, system_lookup
from kubechain.net.tls import client_context

QUIT_TIMEOUT_SECONDS = 2.0
"""How long the good-bye of a mail server is waited for."""

PERMANENT = 500
"""SMTP codes from here on say that another try is refused too."""


@dataclass(frozen=True, slots=True)
class MailKind:
    """The type `email`.

    Attributes:
        tls: Makes the context of encrypted connections.
    """

    policy: AddressPolicy
    now: Callable[[], datetime]
    lookup: Lookup = system_lookup
    tls: Callable[[], ssl.SSLContext] = client_context
    type: str = "email"

    def secrets_of(self, spec: ContactChannelSpec) -> Mapping[str, SecretKeyRef]:
        """The password, where there is one."""
        server = _block(spec)[1]
        if server.username is not None and server.password_from is None:
            raise InvalidChannel("email.smtp.passwordFrom: not set, but email.smtp.username is")
        return {"password": server.password_from.secret_key_ref} if server.password_from is not None else {}

    def open(self, spec: ContactChannelSpec, secrets: Mapping[str, SecretStr]) -> MailChannel:
        """The channel."""
        email, server = _block(spec)
        return MailChannel(email, server, secrets.get("password", SecretStr("")), self)


def _block(spec: ContactChannelSpec) -> tuple[EmailChannel, SmtpServer]:
    if spec.email is None or spec.email.smtp is None:
        raise InvalidChannel("email.smtp: not set: it names the mail server that messages are handed to")
    return spec.email, spec.email.smtp


@dataclass(frozen=True, slots=True)
class MailChannel:
    """One address, by one mail server."""

    email: EmailChannel
    server: SmtpServer
    password: SecretStr = field(repr=False)
    kind: MailKind

    async def check(self) -> str:
        """Greet the server, encrypt, log in; no mail is sent."""
        async with self._session():
            as_user = f" as {self.server.username}" if self.server.username else ""
            return f"The mail server {self.server.host}:{self.server.port} can be used{as_user}"

    async def deliver(self, message: Message) -> Receipt:
        """Send the mail."""
        mail = self._mail(message)
        async with self._session() as session:
            try:
                async with asyncio.timeout(MESSAGE_TIMEOUT_SECONDS):
                    await session.sendmail(self.server.from_address, [self.email.address], mail.as_bytes())
            except SMTPRecipientsRefused as error:
                refusal = error.recipients[0]
                raise self._answer(refusal.code, refusal.message) from error
            except SMTPResponseException as error:
                raise self._answer(error.code, error.message) from error
            except (SMTPException, OSError) as error:
                raise MayBeSent(f"no answer: {self._where()}: the connection broke or timed out") from error
        return Receipt(str(mail["Message-ID"]))

    async def find(self, message: Message) -> Found:
        """A mail server cannot be asked."""
        del message
        return NotAskable()

    async def close(self, message: Message, receipt: Receipt, ending: str) -> None:
        """Nothing: a mail cannot be taken back, and its links say that there is nothing to decide."""
        del message, receipt, ending

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self.server.from_address
        mail["To"] = self.email.address
        mail["Subject"] = subject_of(message, self.email.subject)
        mail["Date"] = format_datetime(self.kind.now())
        mail["Message-ID"] = f"<{message.key}@{_domain(self.server.from_address)}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text_of(message))
        mail.add_alternative(html_of(message), subtype="html")
        return mail

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[SMTP]:
        """A session with the server, logged in where there is a user."""
        try:
            async with asyncio.timeout(MESSAGE_TIMEOUT_SECONDS):
                session = await self._opened()
        except TimeoutError as error:
            raise NotSent(f"unreachable: {self._where()}: it took too long") from error
        try:
            yield session
            await _quit(session)
        finally:
            session.close()

    async def _opened(self) -> SMTP:
        server = self.server
        context = self.kind.tls() if server.tls != "None" else None
        sock = await connected(server.host, server.port, policy=self.kind.policy, lookup=self.kind.lookup)
        session = SMTP(
            hostname=server.host,
            sock=sock,
            local_hostname=_domain(server.from_address),
            use_tls=server.tls == "TLS",
            start_tls=server.tls == "StartTLS",
            tls_context=context,
            timeout=MESSAGE_TIMEOUT_SECONDS,
        )
        try:
            await session.connect()
            await session.ehlo()
            if server.username is not None:
                await session.login(server.username, self.password.get_secret_value())
        except SMTPResponseException as error:
            session.close()
            raise self._answer(error.code, error.message) from error
        except aiosmtplib.SMTPNotSupported as error:
            session.close()
            raise Refused(f"{self._where()}: it offers no login that we know") from error
        except (SMTPException, OSError) as error:
            session.close()
            if "STARTTLS" in str(error):
                raise Refused(f"{self._where()}: it does not offer STARTTLS (email.smtp.tls)") from error
            raise NotSent(f"unreachable: {self._where()}: {cause(error)}") from error
        except asyncio.CancelledError:
            session.close()
            raise
        finally:
            if session.transport is None:
                sock.close()
        return session

    def _answer(self, code: int, text: str) -> ChannelError:
        """The error that an answer of the server means, without the password that it may repeat."""
        shown = stable(one_line(redacted(text, [self.password])))
        said = f"{self._where()} answered {code} {shown}"
        return Refused(said) if code >= PERMANENT else NotSent(said)

    def _where(self) -> str:
        return f"{self.server.host}:{self.server.port}"


async def _quit(session: SMTP) -> None:
    """Say good-bye; the mail is taken already, whatever the server answers."""
    try:
        await session.quit(timeout=QUIT_TIMEOUT_SECONDS)
    except (SMTPException, OSError):
        return


def _domain(address: str) -> str:
    return address.rpartition("@")[2]
