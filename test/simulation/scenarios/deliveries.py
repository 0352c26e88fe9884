"""Requests that are sent to contact channels, of which `ops` can be asked what it has, and `boss` cannot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from kubechain.api.taskrun import TaskRunPhase
from test.simulation.cluster import Cluster, status_of
from test.simulation.fakes import asks
from test.simulation.outside import Act, Stage
from test.simulation.scenarios import deciding, objects, people
from test.simulation.scenarios.approvals import guarded
from test.simulation.scenarios.deciding import APPEARS, CALL
from test.simulation.scenarios.scenario import Scenario
from test.simulation.scenarios.tools import ANSWERS, BOOKS

KEY = "tok-canary-0123456789abcdef0123456789abcdef"
NEW_KEY = "tok-canary-fedcba9876543210fedcba9876543210"

OPS, BOSS = f"ops {CALL}", f"boss {CALL}"
SENDING = f"deliver {OPS}"


def channel(cluster: Cluster, name: str) -> None:
    """A contact channel whose key is in the Secret `people`."""
    source = {"secretKeyRef": {"name": "people", "key": "KEY"}}
    types: dict[str, dict[str, Any]] = {
        "ops": {"type": "slack", "slack": {"channelOrUserID": "C0123456789"}},
        "boss": {"type": "webhook", "webhook": {"url": "https://hooks.example.com/boss"}},
    }
    links = {"baseUrl": "https://kubechain.example.com", "keyFrom": source}
    cluster.apply("contactchannels", name, spec={**types[name], "apiKeyFrom": source, "links": links})


def by_channel(first: str, *others: str, **terms: Any) -> objects.Arrange:
    """A booking that a person must approve, who is asked by a channel.

    Args:
        first: The channel.
        others: Channels that exist, too.
        terms: More of how the booking is approved.
    """

    def arrange(cluster: Cluster) -> None:
        cluster.apply("secrets", "people", stringData={"KEY": KEY})
        for name in (first, *others):
            channel(cluster, name)
        guarded(objects.endpoints("book"), "book", **terms)(cluster)
        cluster.patch("tools", "book", {"spec": {"approvalContactChannel": {"name": first}}})

    return arrange


def without_channel(cluster: Cluster) -> None:
    """The channel that the booking names does not exist yet."""
    by_channel("ops")(cluster)
    cluster.delete("contactchannels", "ops")


def with_old_key(cluster: Cluster) -> None:
    """The channel's key, which its service does not take."""
    by_channel("ops")(cluster)
    cluster.patch("secrets", "people", {"stringData": {"KEY": "tok-canary-of-long-ago"}})


def question_by(name: str) -> objects.Arrange:
    """An agent that may ask people by a channel."""

    def arrange(cluster: Cluster) -> None:
        cluster.apply("secrets", "people", stringData={"KEY": KEY})
        channel(cluster, name)
        objects.assistant(cluster, humanContactChannels=[{"name": name}])
        objects.task(cluster)

    return arrange


def once_sent(act: Act, to: str = "ops", *, is_reminder: bool = False, request: str = CALL) -> Act:
    """Read a message, think, and do something."""

    def look(stage: Stage) -> None:
        found = stage.cluster.get("humanrequests", request)
        sent: list[dict[str, Any]] = status_of(found or {}).get("deliveries") or []
        if any((one["channel"], one.get("reminder", False), one["state"]) == (to, is_reminder, "Sent") for one in sent):
            people.slowly(act)(stage)
        else:
            stage.later(people.LOOK_SECONDS, look)

    return look


def once_gone(uid_of: Callable[[Stage], str], act: Act) -> Act:
    """Do something when the request is another one."""

    def look(stage: Stage) -> None:
        found = stage.cluster.get("humanrequests", CALL)
        if found is not None and found["metadata"]["uid"] != uid_of(stage):
            act(stage)
        else:
            stage.later(people.LOOK_SECONDS, look)

    return look


def delete_all(stage: Stage) -> None:
    """Delete the channel with its Secret and the run, as with a namespace."""
    stage.cluster.delete("secrets", "people")
    stage.cluster.delete("contactchannels", "ops")
    people.delete_run(stage)


def delete_run_and_secret(stage: Stage) -> None:
    """Delete the channel's Secret and the run."""
    stage.cluster.delete("secrets", "people")
    people.delete_run(stage)


def outage_and_delete(stage: Stage) -> None:
    """The channel takes no message any more, and people delete the run."""
    stage.outside.is_contact_mute = True
    people.delete_run(stage)


def delete_and_decide(stage: Stage) -> None:
    """Delete the request, and decide about the one that is made in its place."""
    found = stage.cluster.get("humanrequests", CALL)
    assert found is not None
    uid = found["metadata"]["uid"]
    stage.cluster.delete("humanrequests", CALL)
    once_gone(lambda _: uid, once_sent(deciding.decide("Approve")))(stage)


def outage(stage: Stage) -> None:
    """The channels go away for a while."""
    stage.outside.is_contact_down = True
    stage.later(people.OUTAGE_SECONDS, come_back)


def come_back(stage: Stage) -> None:
    """The channels can be reached again."""
    stage.outside.is_contact_down = False


def outage_and_decide(stage: Stage) -> None:
    """The channel goes away when people have the message, and kubectl decides meanwhile."""
    outage(stage)
    deciding.decide("Approve")(stage)


def rotate(stage: Stage) -> None:
    """Change the channel's key, and have its service refuse the old one."""
    stage.cluster.patch("secrets", "people", {"stringData": {"KEY": NEW_KEY}})
    stage.outside.refused_keys.add(KEY)


def refuse_old_key(stage: Stage) -> None:
    """The service has another key than the Secret, until somebody repairs it."""
    stage.outside.refused_keys.add("tok-canary-of-long-ago")
    stage.later(people.OUTAGE_SECONDS, _repair)


def _repair(stage: Stage) -> None:
    stage.cluster.patch("secrets", "people", {"stringData": {"KEY": NEW_KEY}})


def make_channel(stage: Stage) -> None:
    """Make the channel that was missing."""
    stage.later(people.OUTAGE_SECONDS, lambda later: channel(later.cluster, "ops"))


def delete_channel(stage: Stage) -> None:
    """Delete the channel when people have the message, and decide with kubectl."""
    stage.cluster.delete("contactchannels", "ops")
    people.slowly(deciding.decide("Approve"))(stage)


booking = partial(
    Scenario,
    arrange=by_channel("ops"),
    script=BOOKS,
    answers=ANSWERS,
    guarded=frozenset({"book"}),
    delivered=frozenset({OPS}),
    during={APPEARS: once_sent(deciding.decide("Approve"))},
)
"""A booking that a person approves who was asked by a channel."""

CANCELLED = {"hello-1": TaskRunPhase.CANCELLED}

SENT: tuple[Scenario, ...] = (
    booking(name="delivered"),
    booking(
        name="delivered-once-or-twice",
        arrange=by_channel("boss"),
        delivered=frozenset({BOSS}),
        during={APPEARS: once_sent(deciding.decide("Approve"), "boss")},
    ),
    booking(name="delivered-rejected", during={APPEARS: once_sent(deciding.decide("Reject", comment="Too far."))}),
    Scenario(
        name="delivered-question",
        arrange=question_by("ops"),
        script=asks([("ops__human_contact_slack", '{"message": "Which city?"}')]),
        delivered=frozenset({OPS}),
        during={APPEARS: once_sent(deciding.decide("Answer", answer="Rome"))},
    ),
    booking(
        name="delivered-reminder",
        arrange=by_channel("ops", remindAfter="2m"),
        delivered=frozenset({OPS, f"{OPS} again"}),
        during={APPEARS: once_sent(deciding.decide("Approve"), is_reminder=True)},
    ),
    booking(
        name="delivered-to-second",
        arrange=by_channel("ops", "boss", remindAfter="2m", escalateTo={"channel": "boss", "after": "4m"}),
        delivered=frozenset({OPS, f"{OPS} again", BOSS}),
        during={APPEARS: once_sent(deciding.decide("Approve"), "boss")},
    ),
)

TROUBLE: tuple[Scenario, ...] = (
    booking(name="channel-down", later={0.0: outage}),
    booking(
        name="channel-down-at-end",
        during={APPEARS: once_sent(outage_and_decide)},
    ),
    booking(
        name="channel-down-decided",
        delivered=frozenset(),
        later={0.0: outage},
        during={APPEARS: deciding.decides()},
        # Without errors and crashes: they may delay the decision, or the next look at the channel, past the outage.
        faults=("storm", "stale"),
    ),
    booking(name="channel-key-rotated", during={SENDING: rotate, APPEARS: once_sent(deciding.decide("Approve"))}),
    booking(name="channel-key-refused", arrange=with_old_key, later={0.0: refuse_old_key}),
    booking(
        name="channel-made-late",
        arrange=without_channel,
        during={APPEARS: people.both(make_channel, once_sent(deciding.decide("Approve")))},
    ),
    booking(name="channel-deleted", during={APPEARS: once_sent(delete_channel)}, tells_the_end=False),
)

ENDED: tuple[Scenario, ...] = (
    booking(name="decided-while-delivering", during={SENDING: deciding.decide("Approve")}),
    booking(name="cancelled-while-delivering", during={SENDING: people.cancel()}, ends=CANCELLED),
    booking(
        name="cancelled-while-delivering-once-or-twice",
        arrange=by_channel("boss"),
        delivered=frozenset({BOSS}),
        during={f"deliver {BOSS}": people.cancel()},
        ends=CANCELLED,
    ),
    booking(name="delivered-cancelled", during={APPEARS: once_sent(people.cancel())}, ends=CANCELLED),
    booking(name="delivered-expires", arrange=by_channel("ops", expireAfter="10m"), during={}),
    booking(
        name="delivered-run-deleted",
        during={APPEARS: once_sent(people.delete_run)},
        ends={"hello-1": None},
    ),
    booking(name="run-deleted-while-delivering", during={SENDING: people.delete_run}, ends={"hello-1": None}),
    booking(
        name="delivered-all-deleted",
        during={APPEARS: once_sent(delete_all)},
        ends={"hello-1": None},
        tells_the_end=False,
    ),
    booking(
        name="delivered-secret-deleted",
        during={APPEARS: once_sent(delete_run_and_secret)},
        ends={"hello-1": None},
        tells_the_end=False,
    ),
    booking(
        name="delivered-run-deleted-channel-down",
        during={APPEARS: once_sent(outage_and_delete)},
        ends={"hello-1": None},
        tells_the_end=False,
    ),
    booking(name="delivered-request-deleted", during={APPEARS: once_sent(delete_and_decide)}),
)

RIVALS: tuple[Scenario, ...] = (
    booking(name="rivals-delivered", managers=2, elects=False),
    booking(
        name="rivals-delivered-once-or-twice",
        arrange=by_channel("boss", remindAfter="2m"),
        delivered=frozenset({BOSS, f"{BOSS} again"}),
        during={APPEARS: once_sent(deciding.decide("Approve"), "boss", is_reminder=True)},
        managers=2,
        elects=False,
    ),
    booking(name="two-managers-delivered", managers=2),
)

ALL = (*SENT, *TROUBLE, *ENDED, *RIVALS)
