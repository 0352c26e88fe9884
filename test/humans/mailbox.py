"""A mail server of aiosmtpd that keeps what it gets, and knows one password."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import AuthResult, Envelope

PASSWORD = "correct-horse-battery"


class Mailbox:
    """Keeps what was sent, or refuses it.

    Attributes:
        on_mail: Called with each mail that was kept; None for nothing.
    """

    def __init__(self, reply: str = "250 kept", on_mail: Callable[[EmailMessage], object] | None = None) -> None:
        self.mails: list[EmailMessage] = []
        self.reply = reply
        self.on_mail = on_mail

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802 (the library's)
        del session
        if self.reply == "break":
            server.transport.abort()
            return "250 lost"
        content = envelope.content
        assert isinstance(content, bytes)
        parsed = message_from_bytes(content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        if self.on_mail is not None:
            self.on_mail(parsed)
        return self.reply


def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    """Accept the password under any name."""
    del server, session, envelope, mechanism
    return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


def body(mail: EmailMessage, kind: str = "plain") -> str:
    """The text of a mail, as a mail program shows it."""
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")
