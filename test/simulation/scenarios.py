"""The stories that are broken at every point: which objects exist, what the model wants, what people do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubechain.api.taskrun import TaskRunPhase
from test.simulation.cluster import Cluster
from test.simulation.fakes import BROKEN, Answer, Script, asks, says
from test.simulation.plans import Fault

KEY = "sk-canary-0123456789"
NEW_KEY = "sk-canary-9876543210"
TOKEN = "tok-canary-0123456789"

Act = Callable[[Cluster], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One story.

    Attributes:
        name: On the command line.
        arrange: Makes the objects, before any manager lives.
        script: What the model says.
        answers: What tools say, by the last word of their URL.
        ends: How each run ends, by name.
        during: What people do while a side effect is going on, once, by the beginning of its label.
        revoked: Keys that the provider does not take once the first thing of `during` has happened.
        is_timed: How often the model is asked depends on when people act.
        managers: How many compete.
        elects: More than one have leader election; without it, each takes the others for dead all the time, wrongly,
            and what holds is what compare-and-swap and tokens alone can promise.
        faults: What random and timed faults it is also put through.
    """

    name: str
    arrange: Act
    script: Script = field(default_factory=lambda: says("It has none."))
    answers: Mapping[str, Answer] = field(default_factory=dict[str, Answer])
    ends: Mapping[str, TaskRunPhase] = field(default_factory=lambda: {"hello-1": TaskRunPhase.FINAL_ANSWER})
    during: Mapping[str, Act] = field(default_factory=dict[str, Act])
    revoked: frozenset[str] = frozenset()
    is_timed: bool = False
    managers: int = 1
    elects: bool = True
    faults: tuple[Fault, ...] = ("storm", "errors", "chaos", "stale")


def _base(cluster: Cluster, **agent: Any) -> None:
    cluster.apply("secrets", "openai", stringData={"OPENAI_API_KEY": KEY})
    source = {"secretKeyRef": {"name": "openai", "key": "OPENAI_API_KEY"}}
    cluster.apply("llms", "gpt-4o", spec={"provider": "openai", "apiKeyFrom": source})
    cluster.apply("agents", "my-assistant", spec={"llmRef": {"name": "gpt-4o"}, "system": "You are helpful."} | agent)


def _task(cluster: Cluster, name: str = "hello") -> None:
    cluster.apply("tasks", name, spec={"agentRef": {"name": "my-assistant"}, "message": f"{name} what is the capital?"})


def _plain(cluster: Cluster) -> None:
    _base(cluster)
    _task(cluster)


def _rerun(cluster: Cluster) -> None:
    _plain(cluster)
    cluster.apply("taskruns", "again", spec={"taskRef": {"name": "hello"}})


def _endpoint(cluster: Cluster, name: str, *, safe: bool = False) -> None:
    properties = {"city": {"type": "string"}}
    spec: dict[str, Any] = {
        "description": f"The tool {name}.",
        "parameters": {"type": "object", "properties": properties, "required": ["city"], "additionalProperties": False},
        "execute": {
            "externalAPI": {
                "url": f"https://tools.example/{'safe' if safe else 'once'}/{name}",
                "credentialsFrom": {"name": "tools", "key": "TOKEN"},
            }
        },
    }
    if safe:
        spec["semantics"] = "Idempotent"
    cluster.apply("tools", name, spec=spec)


def _with_tools(*names: str, safe: bool = False) -> Act:
    def arrange(cluster: Cluster) -> None:
        cluster.apply("secrets", "tools", stringData={"TOKEN": TOKEN})
        for name in names:
            _endpoint(cluster, name, safe=safe)
        _base(cluster, tools=[{"name": name} for name in names])
        _task(cluster)

    return arrange


def _mcp(cluster: Cluster) -> None:
    spec = {"type": "http", "url": "https://mcp.example/trusted", "trustAnnotations": True}
    cluster.apply("mcpservers", "shop", spec=spec)
    _base(cluster, mcpServers=[{"name": "shop"}])
    _task(cluster)


def _delegation(cluster: Cluster) -> None:
    _base(cluster, subAgents=[{"name": "researcher"}])
    spec = {"llmRef": {"name": "gpt-4o"}, "system": "You do research."}
    cluster.apply("agents", "researcher", spec=spec)
    _task(cluster)


def _delegating() -> Script:
    boss = asks([("delegate_to_agent__researcher", '{"message": "research this"}')])
    worker = says("Found it.")
    return lambda messages: (worker if messages[0].content == "You do research." else boss)(messages)


def _cancel(name: str = "hello-1") -> Act:
    return lambda cluster: cluster.patch("taskruns", name, {"spec": {"cancel": True}})


def _delete_agent(cluster: Cluster) -> None:
    cluster.delete("agents", "my-assistant")


def _edit_agent(cluster: Cluster) -> None:
    cluster.patch("agents", "my-assistant", {"spec": {"system": "You are a pirate."}})


def _rotate(cluster: Cluster) -> None:
    cluster.patch("secrets", "openai", {"stringData": {"OPENAI_API_KEY": NEW_KEY}})


def _steer(cluster: Cluster) -> None:
    cluster.patch("taskruns", "hello-1", {"spec": {"messages": [{"content": "And the second largest?"}]}})


_PARIS = '{"city": "Paris"}'
_ROME = '{"city": "Rome"}'

_WEATHER: Mapping[str, Answer] = {
    "weather": lambda arguments: f"Sunny in {arguments['city']}",
    "book": lambda arguments: f"Booked {arguments['city']}",
    "broken": lambda arguments: BROKEN,
}
_FINAL = TaskRunPhase.FINAL_ANSWER
_CANCELLED = TaskRunPhase.CANCELLED

ALL: tuple[Scenario, ...] = (
    Scenario(name="plain", arrange=_plain),
    Scenario(name="rerun", arrange=_rerun, ends={"hello-1": _FINAL, "again": _FINAL}),
    Scenario(
        name="cancel-model-call",
        arrange=_plain,
        during={"model": _cancel()},
        ends={"hello-1": _CANCELLED},
    ),
    Scenario(name="agent-deleted", arrange=_plain, during={"model": _delete_agent}),
    Scenario(name="agent-edited", arrange=_plain, during={"model": _edit_agent}),
    Scenario(name="secret-rotated", arrange=_plain, during={"model": _rotate}),
    Scenario(name="steering", arrange=_plain, during={"model": _steer}, is_timed=True),
    Scenario(
        name="one-tool-call",
        arrange=_with_tools("book"),
        script=asks([("book", _PARIS)]),
        answers=_WEATHER,
    ),
    Scenario(
        name="safe-tool-call",
        arrange=_with_tools("weather", safe=True),
        script=asks([("weather", _PARIS)]),
        answers=_WEATHER,
    ),
    Scenario(
        name="parallel-calls",
        arrange=_with_tools("book", "weather"),
        script=asks([("book", _PARIS), ("weather", _PARIS), ("weather", _ROME)]),
        answers=_WEATHER,
    ),
    Scenario(
        name="two-turns",
        arrange=_with_tools("book", "weather"),
        script=asks([("weather", _PARIS)], [("book", _PARIS)]),
        answers=_WEATHER,
    ),
    Scenario(
        name="failing-tool",
        arrange=_with_tools("broken"),
        script=asks([("broken", _PARIS)]),
        answers=_WEATHER,
    ),
    Scenario(name="unknown-tool", arrange=_with_tools("book"), script=asks([("no_such_tool", _PARIS)])),
    Scenario(name="bad-arguments", arrange=_with_tools("book"), script=asks([("book", '{"town": 7}'), ("book", "{")])),
    Scenario(
        name="cancel-tool-call",
        arrange=_with_tools("book"),
        script=asks([("book", _PARIS)]),
        answers=_WEATHER,
        during={"tool": _cancel()},
        ends={"hello-1": _CANCELLED},
    ),
    Scenario(
        name="agent-deleted-tools",
        arrange=_with_tools("book"),
        script=asks([("book", _PARIS)]),
        answers=_WEATHER,
        during={"tool": _delete_agent},
    ),
    Scenario(
        name="agent-edited-tools",
        arrange=_with_tools("book"),
        script=asks([("book", _PARIS)], [("book", _ROME)]),
        answers=_WEATHER,
        during={"tool": _edit_agent},
    ),
    Scenario(name="mcp-call", arrange=_mcp, script=asks([("shop__lookup", "{}"), ("shop__order", "{}")])),
    Scenario(
        name="delegation",
        arrange=_delegation,
        script=_delegating(),
    ),
    Scenario(name="rivals", arrange=_plain, managers=2, elects=False),
    Scenario(
        name="rivals-tool",
        arrange=_with_tools("book", "weather"),
        script=asks([("book", _PARIS), ("weather", _ROME)]),
        answers=_WEATHER,
        managers=2,
        elects=False,
    ),
    Scenario(name="two-managers", arrange=_plain, managers=2, faults=("freeze", "errors", "chaos")),
    Scenario(
        name="two-managers-tool",
        arrange=_with_tools("book"),
        script=asks([("book", _PARIS)]),
        answers=_WEATHER,
        managers=2,
        faults=("freeze", "errors", "chaos"),
    ),
)
"""In the order in which they are easiest to understand."""

BY_NAME: Mapping[str, Scenario] = {scenario.name: scenario for scenario in ALL}
