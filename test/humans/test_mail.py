"""Mail by a real SMTP server on loopback: read as a person's program reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from pydantic import SecretStr

from kubechain.api.contactchannel import ContactChannelSpec
from kubechain.humans.mail import MailChannel, MailKind
from kubechain.humans.model import ChannelError, InvalidChannel, MayBeSent, NotAskable, NotSent, Receipt, Refused
from kubechain.net.addresses import PUBLIC, AddressPolicy
from test.humans.mailbox import PASSWORD, Mailbox, body, login
from test.humans.messages import NOW, a_message

LOOPBACK = AddressPolicy.parse(("127.0.0.0/8",))


@asynccontextmanager
async def a_server(mailbox: Mailbox) -> AsyncGenerator[int]:
    """A mail server that wants a login of those who give a name."""

    def protocol() -> SMTP:
        return SMTP(mailbox, hostname="127.0.0.1", authenticator=login, auth_require_tls=False)

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def a_channel(port: int, *, password: str = PASSWORD, allowed: AddressPolicy = LOOPBACK, **smtp: Any) -> MailChannel:
    server = {"host": "127.0.0.1", "port": port, "tls": "None", "fromAddress": "bot@example.com"}
    spec = ContactChannelSpec.model_validate(
        {"type": "email", "email": {"address": "ann@example.com", "subject": "Ops", "smtp": server | smtp}}
    )
    return MailKind(allowed, lambda: NOW).open(spec, {"password": SecretStr(password)})


async def test_a_mail_arrives_with_its_links_and_can_be_read() -> None:
    mailbox = Mailbox()
    async with a_server(mailbox) as port:
        channel = a_channel(port, username="bot")
        assert await channel.check() == f"The mail server 127.0.0.1:{port} can be used as bot"
        assert not mailbox.mails
        message = a_message(
            Approve="https://k.example/contact/decide/abc", Reject="https://k.example/contact/decide/def"
        )
        receipt = await channel.deliver(message)
        assert await channel.find(message) == NotAskable()
    (mail,) = mailbox.mails
    assert receipt == Receipt("<kubechain-1@example.com>")
    assert mail["Message-ID"] == receipt.external_id
    assert (mail["To"], mail["From"], mail["Auto-Submitted"]) == (
        "ann@example.com",
        "bot@example.com",
        "auto-generated",
    )
    assert mail["Subject"] == "Ops: Approval needed: github__delete_repo"
    for kind in ("plain", "html"):
        text = body(mail, kind)
        for shown in ("https://k.example/contact/decide/abc", "github", "old", "kubectl describe hr hello-1-t0-c0"):
            assert shown in text


async def test_a_mail_that_is_sent_again_has_the_same_id() -> None:
    mailbox = Mailbox()
    async with a_server(mailbox) as port:
        channel = a_channel(port)
        await channel.deliver(a_message())
        await channel.deliver(a_message())
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        pytest.param(f"554 no, {PASSWORD}", Refused, id="refused for good"),
        pytest.param("451 later", NotSent, id="not now"),
        pytest.param("break", MayBeSent, id="the connection breaks before the answer"),
    ],
)
async def test_an_answer_says_whether_another_try_may_help(reply: str, error: type[ChannelError]) -> None:
    async with a_server(Mailbox(reply)) as port:
        with pytest.raises(ChannelError) as caught:
            await a_channel(port, username="bot").deliver(a_message())
    assert type(caught.value) is error
    assert PASSWORD not in str(caught.value)


async def test_a_wrong_password_is_refused_and_not_shown() -> None:
    async with a_server(Mailbox()) as port:
        with pytest.raises(Refused, match="535") as caught:
            await a_channel(port, username="bot", password="wrong-password-123").check()
    assert "wrong-password-123" not in str(caught.value)


async def test_a_server_without_encryption_gets_nothing_where_it_is_asked_for() -> None:
    mailbox = Mailbox()
    async with a_server(mailbox) as port:
        with pytest.raises(Refused, match="STARTTLS"):
            await a_channel(port, tls="StartTLS").deliver(a_message())
    assert not mailbox.mails


async def test_a_server_that_is_down_or_not_allowed_gets_nothing() -> None:
    mailbox = Mailbox()
    async with a_server(mailbox) as port:
        with pytest.raises(NotSent, match="loopback"):
            await a_channel(port, allowed=PUBLIC).deliver(a_message())
    with pytest.raises(NotSent, match="connection refused"):
        await a_channel(port).check()
    assert not mailbox.mails


@pytest.mark.parametrize(
    ("email", "missing"),
    [
        pytest.param({"address": "a@b.example"}, "email.smtp: not set", id="no mail server"),
        pytest.param(
            {"address": "a@b.example", "smtp": {"host": "m", "fromAddress": "b@b.example", "username": "u"}},
            "passwordFrom",
            id="a user without a password",
        ),
    ],
)
def test_a_spec_that_lacks_something_says_what(email: dict[str, Any], missing: str) -> None:
    spec = ContactChannelSpec.model_validate({"type": "email", "email": email})
    with pytest.raises(InvalidChannel, match=missing):
        MailKind(PUBLIC, lambda: NOW).secrets_of(spec)
