"""What people do, and what happens to services, in the middle of the stories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from test.simulation.cluster import phase_of, status_of
from test.simulation.outside import Act, Stage
from test.simulation.scenarios import objects

FOREIGN = "example.com/keep"
"""A finalizer of somebody else."""

OUTAGE_SECONDS = 60.0
LOOK_SECONDS = 0.5
THINK_SECONDS = 2.0
"""People are slower than two managers that do the same thing at the same moment."""


def cancel(name: str = "hello-1") -> Act:
    """Cancel a run."""
    return lambda stage: stage.cluster.patch("taskruns", name, {"spec": {"cancel": True}})


def delete(plural: str, name: str) -> Act:
    """Delete an object."""
    return lambda stage: stage.cluster.delete(plural, name)


def once(plural: str, name: str, standing: str, act: Act) -> Act:
    """Do something as soon as an object stands somewhere.

    What a parent has made without having said so yet, because its manager died in between, it would make again.
    """
    return _when(lambda found: standing in (phase_of(found), status_of(found).get("status")), plural, name, act)


def _when(holds: Callable[[dict[str, Any]], bool], plural: str, name: str, act: Act) -> Act:
    def look(stage: Stage) -> None:
        found = stage.cluster.get(plural, name)
        if found is not None and holds(found):
            act(stage)
        else:
            stage.later(LOOK_SECONDS, look)

    return look


def slowly(act: Act) -> Act:
    """Think before doing something."""
    return lambda stage: stage.later(THINK_SECONDS, act)


delete_run = _when(
    lambda task: status_of(task).get("lastRun") is not None, "tasks", "hello", delete("taskruns", "hello-1")
)
"""Delete the run once its Task has recorded it; a Task that has may be in Error meanwhile, and make no other."""


def look_on(stage: Stage) -> None:
    """Do nothing: what is looked at takes longer than a Task keeps quiet about its run."""
    del stage


def once_delegated(act: Act, call: str = "hello-1-t0-c0") -> Act:
    """Do something as soon as a call says that another agent is at work."""
    return once("taskruntoolcalls", call, "AwaitingSubAgent", act)


def edit_agent(stage: Stage) -> None:
    """Give the Agent another prompt."""
    stage.cluster.patch("agents", "my-assistant", {"spec": {"system": "You are a pirate."}})


def rotate_key(stage: Stage) -> None:
    """Change the LLM's key, and have the provider refuse the old one."""
    stage.cluster.patch("secrets", "openai", {"stringData": {"OPENAI_API_KEY": objects.NEW_KEY}})
    stage.outside.refused_keys.add(objects.KEY)


def bring_key(stage: Stage) -> None:
    """Make the Secret that the LLM names."""
    objects.secret(stage.cluster)


def steer(stage: Stage) -> None:
    """Tell the agent something more."""
    stage.cluster.patch("taskruns", "hello-1", {"spec": {"messages": [{"content": "And the second largest?"}]}})


def hold(stage: Stage) -> None:
    """Put a finalizer of somebody else on the run and on its call."""
    for plural, name in (("taskruns", "hello-1"), ("taskruntoolcalls", "hello-1-t0-c0")):
        found = stage.cluster.get(plural, name)
        assert found is not None, name
        finalizers = [*found["metadata"].get("finalizers", []), FOREIGN]
        stage.cluster.patch(plural, name, {"metadata": {"finalizers": finalizers}})


def take_their_time(stage: Stage) -> None:
    """Do nothing: what is going on takes as long as if somebody acted."""
    del stage


def mcp_outage(stage: Stage) -> None:
    """The MCP servers go away for a while."""
    stage.outside.hang_up()
    stage.later(OUTAGE_SECONDS, lambda later: later.outside.come_back())


def take_tool_away(stage: Stage) -> None:
    """Delete the Tool, and make it again later."""
    stage.cluster.delete("tools", "book")
    stage.later(OUTAGE_SECONDS, lambda later: objects.endpoint(later.cluster, "book"))


def take_llm_away(stage: Stage) -> None:
    """Delete the LLM, and make it again later."""
    stage.cluster.delete("llms", "gpt-4o")
    stage.later(OUTAGE_SECONDS, lambda later: objects.llm(later.cluster))


def refuse(label: str) -> Act:
    """Have a policy of the API server refuse some writes for a while.

    Args:
        label: Beginning of their labels.
    """

    def act(stage: Stage) -> None:
        stage.outside.refused_writes.add(label)
        stage.later(OUTAGE_SECONDS, lambda later: later.outside.refused_writes.discard(label))

    return act


def both(first: Act, second: Act) -> Act:
    """One thing after the other, at once."""

    def act(stage: Stage) -> None:
        first(stage)
        second(stage)

    return act
