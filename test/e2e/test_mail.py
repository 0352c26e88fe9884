"""A person who is asked by e-mail: a real mail server, a real manager, and the link of the mail in a real browser."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from queue import Queue
from typing import Any

import httpx2
import pytest
from aiosmtpd.controller import Controller

from kubechain.humans import links
from test.browser import a_browser, why_not
from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace, condition
from test.e2e.manifests import API_VERSION, a_builtin, a_secret, a_task, an_agent, an_llm, refs
from test.e2e.model import Ask, MockModel, asks
from test.e2e.processes import Program
from test.humans.mailbox import PASSWORD, Mailbox, body, login
from test.net.certificates import Signed, signed

RUN = "hello-world-task-1"
CALL = f"{RUN}-t0-c0"
KEY = "0123456789abcdef0123456789abcdef"
MAIL_SECONDS = 60
RECOVERY_SECONDS = 90.0
"""A successor may have to wait until the claim of the dead one runs out."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server that wants STARTTLS and a login, unless it is told otherwise."""

    port: int
    inbox: Queue[EmailMessage] = field(default_factory=Queue[EmailMessage])

    def mail(self) -> EmailMessage:
        """The next mail."""
        return self.inbox.get(timeout=MAIL_SECONDS)


def serving(context: ssl.SSLContext | None, host: str = "127.0.0.1") -> Iterator[MailServer]:
    server = MailServer(processes.free_port())
    controller = Controller(
        Mailbox(on_mail=server.inbox.put),
        hostname=host,
        port=server.port,
        authenticator=login,
        auth_required=context is not None,
        tls_context=context,
        require_starttls=context is not None,
    )
    controller.start()
    yield server
    controller.stop()


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    """The authority that the manager trusts."""
    return signed(tmp_path_factory.mktemp("trusted"), "openssl req -x509")


@pytest.fixture
def mail_server(trusted: Signed) -> Iterator[MailServer]:
    """A mail server with a certificate of that authority."""
    yield from serving(trusted.server_side())


@pytest.fixture(scope="module")
def port() -> int:
    """The inbound port of the manager."""
    return processes.free_port()


@pytest.fixture(scope="module")
def mailer(cluster: Cluster, manager: Program, logs: Path, trusted: Signed, port: int) -> Iterator[Program]:
    """A manager in place of the session's, which people reach, and which trusts one authority."""
    assert manager.stop() == 0
    flags = ("--allow-addresses=127.0.0.0/8", f"--endpoint-bind-address=127.0.0.1:{port}")
    environment = {"SSL_CERT_FILE": str(trusted.authority)}
    program = processes.manager(cluster.kubeconfig, logs / "mailer.log", *flags, environment=environment)
    program.start()
    yield program
    assert program.stop() == 0, program.tail()
    manager.start()


@pytest.fixture
def space(
    mailer: Program, make_namespace: Callable[[str], Namespace], request: pytest.FixtureRequest
) -> Iterator[Namespace]:
    yield make_namespace(request.node.name.removeprefix("test_"))
    if mailer.popen is None:
        mailer.start()


def a_channel(server: MailServer, port: int, **smtp: Any) -> list[dict[str, Any]]:
    """The channel `ops`, with its Secret.

    Args:
        smtp: Other settings of the mail server; None for one that is left out.
    """
    settings: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "fromAddress": "bot@example.com",
        "username": "bot",
    }
    settings["passwordFrom"] = {"secretKeyRef": {"name": "ops", "key": "password"}}
    spec = {
        "type": "email",
        "email": {
            "address": "ann@example.com",
            "smtp": {name: one for name, one in (settings | smtp).items() if one is not None},
        },
        "links": {
            "baseUrl": f"http://127.0.0.1:{port}",
            "keyFrom": {"secretKeyRef": {"name": "ops", "key": "key"}},
        },
    }
    channel = {"apiVersion": API_VERSION, "kind": "ContactChannel", "metadata": {"name": "ops"}, "spec": spec}
    return [a_secret("ops", password=PASSWORD, key=KEY), channel]


def ask(space: Namespace, model: MockModel, server: MailServer, port: int) -> None:
    """A run whose call `ops` must approve."""
    model[space.name].answers = [asks(Ask("add", {"a": 2, "b": 3})), "Done."]
    space.apply(*a_channel(server, port))
    space.wait("contactchannel/ops", "{.status.ready}", "true")
    space.apply(
        a_secret(),
        an_llm(base_url=model.base_url, model=space.name),
        a_builtin("add", approvalContactChannel={"name": "ops"}),
        an_agent(tools=refs("add")),
        a_task(),
    )


def links_of(mail: EmailMessage) -> dict[str, str]:
    """The links of a mail by their labels."""
    return dict(re.findall(r"^(.+):\n(http\S+)$", body(mail), re.MULTILINE))


def decision(space: Namespace) -> dict[str, str] | None:
    return space.get("hr", CALL)["spec"].get("decision")


def result(space: Namespace, timeout_seconds: float = RECOVERY_SECONDS) -> str:
    """What the model heard of its call."""
    run = space.finished(RUN, timeout_seconds=timeout_seconds)
    [text] = [one["content"] for one in run["status"]["contextWindow"] if one["role"] == "tool"]
    return text


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_click_on_the_page_of_a_mail_s_link_lets_the_run_go_on(
    space: Namespace, model: MockModel, mail_server: MailServer, port: int
) -> None:
    ask(space, model, mail_server, port)
    mail = mail_server.mail()
    assert mail["To"] == "ann@example.com"
    with a_browser() as browser:
        page = browser.new_page()
        page.goto(links_of(mail)["Reject"])
        page.get_by_role("link", name="Approve", exact=True).click()
        assert '"a": 2' in page.locator("pre").inner_text()
        assert decision(space) is None
        page.get_by_label("Comment").fill("It may.")
        page.get_by_role("button", name="Approve", exact=True).click()
        page.get_by_role("heading", name="Recorded", exact=True).wait_for()
        page.goto(links_of(mail)["Approve"])
        page.get_by_role("heading", name="Nothing to decide").wait_for()
        assert page.get_by_role("button").count() == 0
    assert result(space) == "5"
    assert decision(space) == {
        "choice": "Approve",
        "digest": space.get("hr", CALL)["spec"]["request"]["digest"],
        "by": "email:ann@example.com",
        "through": "contactchannels/ops",
        "comment": "It may.",
    }


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_two_open_pages_decide_once(space: Namespace, model: MockModel, mail_server: MailServer, port: int) -> None:
    ask(space, model, mail_server, port)
    found = links_of(mail_server.mail())
    with a_browser() as browser:
        first, second = browser.new_page(), browser.new_page()
        first.goto(found["Approve"])
        second.goto(found["Reject"])
        first.get_by_role("button").click()
        first.get_by_role("heading", name="Recorded", exact=True).wait_for()
        second.get_by_role("button").click()
        second.get_by_role("heading", name="Nothing to decide").wait_for()
    assert result(space) == "5"
    assert mail_server.inbox.empty()


def test_a_manager_that_was_killed_after_the_mail_takes_its_link(
    space: Namespace, model: MockModel, mail_server: MailServer, port: int, mailer: Program
) -> None:
    ask(space, model, mail_server, port)
    link = links_of(mail_server.mail())["Reject"]
    mailer.kill()
    with pytest.raises(httpx2.ConnectError):
        httpx2.post(link)
    mailer.start()
    assert httpx2.post(link, data={"comment": "Not today."}).status_code == 200
    assert "Not today." in result(space)
    assert mail_server.inbox.empty(), "nobody is asked twice"


def moved(token: str, **changes: Any) -> str:
    """The same link with other contents, signed by who knows the key."""
    return links.token(KEY.encode(), replace(links.claimed(token), **changes))


HARMFUL: dict[str, Callable[[str], tuple[str, int]]] = {
    "forged": lambda token: (links.token(b"x" * 32, links.claimed(token)), 403),
    "with another choice and the old signature": lambda token: (
        moved(token, choice="Reject").partition(".")[0] + "." + token.partition(".")[2],
        403,
    ),
    "cut": lambda token: (token[:-1], 403),
    "not a link": lambda token: ("..%2f..%2fetc", 403),
    "expired": lambda token: (moved(token, expires_at=datetime.now(UTC) - timedelta(seconds=1)), 403),
    "of another namespace": lambda token: (moved(token, namespace="default"), 403),
    "of a request that is gone": lambda token: (moved(token, uid="0" * 36), 404),
    "of another request": lambda token: (moved(token, name="other"), 404),
    "of something else that was asked": lambda token: (moved(token, digest="sha256:" + "0" * 64), 400),
}
"""Links that decide nothing, each with the status of its answer to a POST."""


def test_only_the_link_as_it_was_sent_decides_and_only_by_a_post(
    space: Namespace, model: MockModel, mail_server: MailServer, port: int
) -> None:
    ask(space, model, mail_server, port)
    found = links_of(mail_server.mail())
    for link in found.values():  # a scanner of mail opens all of them
        for method in ("GET", "HEAD"):
            assert httpx2.request(method, link).status_code == (200 if method == "GET" else 405)
    base, _, token = found["Approve"].rpartition("/")
    for name, harm in HARMFUL.items():
        harmful, status = harm(token)
        assert httpx2.post(f"{base}/{harmful}").status_code == status, name
    assert decision(space) is None
    assert httpx2.post(found["Approve"]).status_code == 200
    assert httpx2.post(found["Reject"]).status_code == 409
    assert httpx2.post(found["Approve"]).status_code == 409, "a replay"
    assert result(space) == "5"


def untrusted(trusted: Signed, folder: Path) -> ssl.SSLContext:
    return signed(folder, "openssl req -x509").server_side()


def with_another_name(trusted: Signed, folder: Path) -> ssl.SSLContext:
    return trusted.server_side()


@pytest.mark.parametrize(
    ("context", "host", "reason"),
    [
        pytest.param(
            untrusted, "127.0.0.1", "certificate is not trusted", id="a certificate of nobody that is trusted"
        ),
        pytest.param(
            with_another_name, "127.0.0.2", "certificate is for another name", id="a certificate of another name"
        ),
        pytest.param(None, "127.0.0.1", "does not offer STARTTLS", id="no encryption"),
    ],
)
def test_a_mail_server_that_is_not_the_one_that_was_meant_gets_nothing(
    space: Namespace,
    port: int,
    trusted: Signed,
    tmp_path: Path,
    context: Callable[[Signed, Path], ssl.SSLContext] | None,
    host: str,
    reason: str,
) -> None:
    for server in serving(context(trusted, tmp_path) if context else None, host):
        space.apply(*a_channel(server, port, host=host))
        space.wait("contactchannel/ops", "{.status.ready}", "false")
        channel = space.get("contactchannel", "ops")
        message = condition(channel, "Ready")["message"]
        assert reason in message
        assert f"{host}:{server.port}" in message
        assert server.inbox.empty()


def test_a_login_that_is_refused_is_said_without_the_password_and_repaired_by_the_secret(
    space: Namespace, mail_server: MailServer, port: int
) -> None:
    secret, channel = a_channel(mail_server, port)
    space.apply(a_secret("ops", password="wrong-password-123", key=KEY), channel)
    space.wait("contactchannel/ops", "{.status.ready}", "false")
    said = condition(space.get("contactchannel", "ops"), "Ready")["message"]
    assert "535" in said
    assert "wrong-password-123" not in space.kubectl("get", "contactchannel,events", "-o", "yaml").out
    space.apply(secret)
    space.wait("contactchannel/ops", "{.status.ready}", "true")
