"""A person who is asked in Slack and answers there, over Socket Mode: a real manager without any inbound port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import API_VERSION, a_builtin, a_secret, a_task, an_agent, an_llm, refs
from test.e2e.model import Ask, MockModel, asks
from test.e2e.processes import Program
from test.e2e.slackserver import SlackServer, a_slack_server
from test.humans.slackdouble import CHANNEL, TOKEN
from test.humans.socketdouble import APP_TOKEN

RUN = "hello-world-task-1"
CALL = f"{RUN}-t0-c0"
RECOVERY_SECONDS = 90.0
"""A successor may have to wait until the claim of the dead one runs out."""


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with a_slack_server() as server:
        yield server


@pytest.fixture(scope="module")
def listener(cluster: Cluster, manager: Program, logs: Path) -> Iterator[Program]:
    """A manager in place of the session's, which may reach this machine."""
    assert manager.stop() == 0
    program = processes.manager(cluster.kubeconfig, logs / "listener.log", "--allow-addresses=127.0.0.0/8")
    program.start()
    yield program
    assert program.stop() == 0, program.tail()
    manager.start()


@pytest.fixture
def space(listener: Program, make_namespace: Callable[[str], Namespace], request: pytest.FixtureRequest) -> Namespace:
    return make_namespace(request.node.name.removeprefix("test_")[:40].rstrip("_"))


def a_channel(slack: SlackServer) -> list[dict[str, Any]]:
    """The channel `ops`, at which two people decide, with its Secret."""

    def source(key: str) -> dict[str, Any]:
        return {"secretKeyRef": {"name": "ops", "key": key}}

    settings = {
        "channelOrUserID": CHANNEL,
        "allowedResponderIDs": ["U1", "U2"],
        "appTokenFrom": source("app"),
        "apiUrl": slack.url,
    }
    spec = {"type": "slack", "apiKeyFrom": source("bot"), "slack": settings}
    channel = {"apiVersion": API_VERSION, "kind": "ContactChannel", "metadata": {"name": "ops"}, "spec": spec}
    return [a_secret("ops", bot=TOKEN, app=APP_TOKEN), channel]


def ask(space: Namespace, model: MockModel, slack: SlackServer, call: Ask, **agent: Any) -> None:
    """A run that waits for a person who is asked in Slack."""
    model[space.name].answers = [asks(call), "Done."]
    space.apply(*a_channel(slack))
    space.wait("contactchannel/ops", "{.status.ready}", "true")
    space.apply(
        a_secret(),
        an_llm(base_url=model.base_url, model=space.name),
        a_builtin("add", approvalContactChannel={"name": "ops"}),
        an_agent(**agent),
        a_task(),
    )
    space.wait(f"hr/{CALL}", "{.status.deliveries[0].state}", "Sent")


def result(space: Namespace) -> str:
    """What the model heard of its call."""
    run = space.finished(RUN, timeout_seconds=RECOVERY_SECONDS)
    [text] = [one["content"] for one in run["status"]["contextWindow"] if one["role"] == "tool"]
    return text


def test_a_button_decides_after_a_restart_and_a_broken_connection(
    space: Namespace, model: MockModel, slack: SlackServer, listener: Program
) -> None:
    app = slack.double.app
    ask(space, model, slack, Ask("add", {"a": 2, "b": 3}), tools=refs("add"))
    slack.do(app.until_open())
    listener.kill()
    slack.do(app.until_open(0))
    listener.start()
    slack.do(app.until_opened(2))
    slack.do(app.break_all())
    slack.do(app.until_opened(3))
    slack.press("Approve", user="U3")
    slack.until(lambda: [one["user"] for one in slack.double.told] == ["U3"])
    assert "decision" not in space.get("hr", CALL)["spec"]
    slack.press("Approve", user="U1")
    assert result(space) == "5"
    found = space.get("hr", CALL)["spec"]
    assert found["decision"] == {
        "choice": "Approve",
        "digest": found["request"]["digest"],
        "by": "slack:U1",
        "through": "contactchannels/ops",
    }
    space.wait(f"hr/{CALL}", "{.status.deliveries[0].state}", "Closed")
    _, message = slack.message()
    assert "Approve by slack:U1" in str(message["blocks"])
    space.kubectl("wait", "--for=condition=Listening", "contactchannel/ops", "--timeout=30s")
    space.kubectl("delete", "contactchannel/ops")
    slack.do(app.until_open(0))


def test_a_rejection_asks_for_its_reason_in_a_dialog(space: Namespace, model: MockModel, slack: SlackServer) -> None:
    ask(space, model, slack, Ask("add", {"a": 2, "b": 3}), tools=refs("add"))
    slack.do(slack.double.app.until_open())
    slack.press("Reject", user="U1")
    slack.until(lambda: len(slack.double.views) == 1)
    assert slack.submit(user="U1", comment="Not today.") is None
    assert "Not today." in result(space)
    assert "already decided" in str(slack.submit(user="U2", comment="Nor tomorrow."))


def test_a_reply_in_the_thread_answers_a_question(space: Namespace, model: MockModel, slack: SlackServer) -> None:
    question = Ask("ops__human_contact_slack", {"message": "Which colour?"})
    ask(space, model, slack, question, humanContactChannels=[{"name": "ops"}])
    slack.do(slack.double.app.until_open())
    slack.reply("Blue &amp; green.", user="U1")
    assert result(space) == "Blue & green."
    slack.reply("Red.", user="U2")
    slack.until(lambda: len(slack.double.told) == 1)
    [told] = slack.double.told
    assert told["user"] == "U2"
    assert "already decided: Answer by slack:U1" in told["text"]
    assert told["thread_ts"] == slack.message()[0]


def test_a_token_of_the_wrong_sort_is_named(space: Namespace, slack: SlackServer) -> None:
    secret, channel = a_channel(slack)
    secret["stringData"]["app"] = TOKEN
    space.apply(secret, channel)
    space.wait("contactchannel/ops", "{.status.status}", "Error")
    shown = space.kubectl("describe", "contactchannel/ops").out
    assert "slack.appTokenFrom: not an app-level token: those begin with xapp-" in shown
    assert TOKEN not in shown
    space.kubectl("wait", "--for=condition=Listening=False", "contactchannel/ops", "--timeout=30s")
