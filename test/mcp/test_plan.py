"""What an owner does next, as tables."""

from __future__ import annotations

import pytest

from kubechain.mcp import plan
from kubechain.mcp.failures import ConnectFailure
from kubechain.mcp.link import Page
from kubechain.mcp.model import Flaw, Limits, Phase, ServerSpec, ToolInfo
from kubechain.mcp.plan import Close, Listing, Look, Service, Wait

LIMITS = Limits()
LOST = ConnectFailure("lost")

Pages = list[tuple[list[ToolInfo], str | None]]
NO_TOOLS: list[ToolInfo] = []


def a_tool(name: str = "t", *, description: str = "") -> ToolInfo:
    """A tool."""
    return ToolInfo(name, description, {"type": "object"})


@pytest.mark.parametrize(
    ("service", "step"),
    [
        (Service(), Wait(30)),
        (Service(looked_seconds_ago=10), Wait(20)),
        (Service(looked_seconds_ago=30), Look()),
        (Service(has_changed_tools=True, looked_seconds_ago=1), Look()),
        (Service(has_changed_tools=True, looked_seconds_ago=0.125), Wait(0.2 - 0.125)),
        (Service(is_suspect=True, looked_seconds_ago=1), Look()),
        (Service(is_in_doubt=True, looked_seconds_ago=0.5), Wait(0.5)),
        (Service(is_in_doubt=True, looked_seconds_ago=1), Look()),
        (Service(failure=LOST, calls_in_flight=3), Close()),
        (Service(is_respecified=True), Close()),
        (Service(is_respecified=True, calls_in_flight=1, respecified_seconds_ago=10), Wait(20)),
        (Service(is_respecified=True, calls_in_flight=1, respecified_seconds_ago=30), Close()),
        (Service(is_respecified=True, has_changed_tools=True, calls_in_flight=1), Wait(30)),
    ],
    ids=[
        "nothing to do until the next look",
        "the time since the last look counts",
        "an idle connection is looked at",
        "changed tools are listed",
        "a server that announces changes all the time is listed at a bounded rate",
        "something suspicious is looked into",
        "not at once again where a look has not cleared it up",
        "but soon",
        "a lost connection is left, whoever waits",
        "a changed spec takes over at once when nobody waits",
        "calls in flight may end first",
        "but not for ever",
        "tools are not listed any more by then",
    ],
)
def test_a_connection_in_service(service: Service, step: Close | Look | Wait):
    assert plan.in_service(service, LIMITS) == step


@pytest.mark.parametrize(
    ("failure", "calls", "is_fatal"),
    [(LOST, 0, True), (LOST, 1, False), (None, 0, False)],
    ids=["no answer", "no answer while it works", "an answer"],
)
def test_a_look_ends_a_connection_only_when_no_call_runs(failure: ConnectFailure | None, calls: int, is_fatal: bool):
    assert plan.is_fatal(failure, calls_in_flight=calls) == is_fatal


def pauses(*failures: ConnectFailure, chance: float = 1.0, served_seconds: float = 0.0) -> list[plan.Pause]:
    """The pauses after failures in a row."""
    history, found = plan.History(), list[plan.Pause]()
    for failure in failures:
        history, pause = plan.after_failure(
            history, failure, served_seconds=served_seconds, limits=LIMITS, chance=chance
        )
        found.append(pause)
    return found


def test_pauses_double_from_a_fifth_of_a_second_to_half_a_minute():
    assert [pause.seconds for pause in pauses(*[LOST] * 10)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]


def test_chance_takes_up_to_half_of_a_pause():
    assert pauses(LOST, chance=0)[0].seconds == 0.1


def test_a_connection_that_lasted_starts_from_the_first_pause_again():
    assert [pause.seconds for pause in pauses(LOST, LOST, served_seconds=30)] == [0.2, 0.2]
    assert [pause.seconds for pause in pauses(LOST, LOST, served_seconds=29)] == [0.2, 0.4]


def test_what_only_a_change_can_repair_is_tried_every_few_minutes():
    (pause,) = pauses(ConnectFailure("no such command", is_permanent=True))
    assert (pause.phase, pause.seconds) == (Phase.FAILED, 300)


def test_the_first_wording_of_a_failure_stays_while_its_kind_does():
    first, second = ConnectFailure("exit 1: at 10:00", kind="exit 1"), ConnectFailure("exit 1: at 10:01", kind="exit 1")
    assert [pause.error for pause in pauses(first, second, LOST, second)] == [
        "exit 1: at 10:00",
        "exit 1: at 10:00",
        "lost",
        "exit 1: at 10:01",
    ]


def test_a_listing_gathers_its_pages():
    listing = Listing().add(Page([a_tool("a")], "1"), LIMITS).add(Page([a_tool("b")], flaws=[Flaw("c", "bad")]), LIMITS)
    assert [tool.name for tool in listing.tools] == ["a", "b"]
    assert listing.flaws == (Flaw("c", "bad"),)


@pytest.mark.parametrize(
    ("limits", "pages"),
    [
        (LIMITS, [(NO_TOOLS, "1"), (NO_TOOLS, "1")]),
        (Limits(pages=2), [(NO_TOOLS, "1"), (NO_TOOLS, "2")]),
        (Limits(tools=1), [([a_tool("a"), a_tool("b")], None)]),
        (Limits(listing_bytes=100), [([a_tool(description="x" * 100)], None)]),
    ],
    ids=["a repeated cursor", "too many pages", "too many tools", "too many bytes"],
)
def test_a_listing_that_does_not_end_is_refused(limits: Limits, pages: Pages):
    with pytest.raises(ConnectFailure, match="tools/list"):
        listed(pages, limits)


def listed(pages: Pages, limits: Limits) -> Listing:
    """All pages of a listing."""
    listing = Listing()
    for tools, cursor in pages:
        listing = listing.add(Page(tools, cursor), limits)
    return listing


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (ServerSpec("stdio"), ["a", "b/c.d", "e"]),
        (ServerSpec("stdio", include=("e", "a")), ["a", "e"]),
        (ServerSpec("stdio", include=()), []),
        (ServerSpec("stdio", exclude=("a",)), ["b/c.d", "e"]),
        (ServerSpec("stdio", include=("a", "e"), exclude=("a",)), ["e"]),
    ],
    ids=["all", "some, in the server's order", "none", "all but one", "excluded wins"],
)
def test_which_tools_are_offered(spec: ServerSpec, names: list[str]):
    listing = Listing(tuple(a_tool(name) for name in ("a", "b/c.d", "a", "e")))
    assert [tool.name for tool in plan.offered(listing, spec)[0]] == names


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        (ServerSpec("stdio"), ["bad", "a"]),
        (ServerSpec("stdio", include=("a",)), ["a"]),
        (ServerSpec("stdio", exclude=("a",)), ["bad"]),
    ],
    ids=["all", "of the tools that are wanted", "not of a tool that is excluded"],
)
def test_which_flaws_are_told(spec: ServerSpec, named: list[str]):
    listing = Listing((a_tool("a"), a_tool("a")), (Flaw("bad", "no", is_left_out=True),))
    assert [flaw.tool for flaw in plan.offered(listing, spec)[1]] == named
