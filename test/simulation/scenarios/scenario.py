"""What a story is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kubechain.api.approval import DEFAULT_EXPIRE_AFTER
from kubechain.api.taskrun import TaskRunPhase
from kubechain.llm.errors import LLMError
from test.simulation.cluster import Cluster
from test.simulation.fakes import Answer, Script, says
from test.simulation.outside import Act
from test.simulation.plans import Fault

USUAL: tuple[Fault, ...] = ("storm", "errors", "chaos", "crashes", "mayhem", "stale")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One story.

    Attributes:
        name: On the command line.
        arrange: Makes the objects, before any manager lives.
        script: What the model says.
        answers: What tools say, by the last word of their URL or image.
        ends: How each run ends, by name; None is gone.
        during: What people do while a side effect is going on, or a write is on its way, once, by the beginning of its
            label.
        later: What happens so many seconds after the beginning.
        hiccups: What the model says before it follows its script, by the beginning of the call's label.
        failing: How the provider of each LLM fails whose name is here, until somebody repairs it.
        slow: What takes longer than anybody waits, by the beginning of its label.
        guarded: Names of the tools that a person must approve, as the model knows them.
        delivered: The messages that people get, each as channel and request, with `again` for the reminder.
        tells_the_end: Whether those messages say how their requests ended, as far as their channel exists.
        expire_after: How long people have to answer where nobody says it, in place of seven days.
        is_timed: How often the model is asked depends on when people act.
        is_crowded: The LLM has fewer slots than there are runs, or goes away for a while: it is chance which turns are
            recorded alone.
        is_hosting: Managers run MCP servers in Pods, in a cluster that has Deployments.
        watches_secrets: Whether managers may list and watch Secrets, and not only get them by name.
        managers: How many compete.
        elects: More than one have leader election; without it, each takes the others for dead all the time, wrongly,
            and what holds is what compare-and-swap and tokens alone can promise.
        shares: Whether they share the runs, so that all work; they have leader election then.
        faults: What random and timed faults it is also put through.
    """

    name: str
    arrange: Callable[[Cluster], None]
    script: Script = field(default_factory=lambda: says("It has none."))
    answers: Mapping[str, Answer] = field(default_factory=dict[str, Answer])
    ends: Mapping[str, TaskRunPhase | None] = field(default_factory=lambda: {"hello-1": TaskRunPhase.FINAL_ANSWER})
    during: Mapping[str, Act] = field(default_factory=dict[str, Act])
    later: Mapping[float, Act] = field(default_factory=dict[float, Act])
    hiccups: Mapping[str, Sequence[LLMError]] = field(default_factory=dict[str, Sequence[LLMError]])
    failing: Mapping[str, LLMError] = field(default_factory=dict[str, LLMError])
    slow: tuple[str, ...] = ()
    guarded: frozenset[str] = frozenset()
    delivered: frozenset[str] = frozenset()
    tells_the_end: bool = True
    expire_after: str = DEFAULT_EXPIRE_AFTER
    is_timed: bool = False
    is_crowded: bool = False
    is_hosting: bool = False
    watches_secrets: bool = True
    managers: int = 1
    elects: bool = True
    shares: bool = False
    faults: tuple[Fault, ...] = USUAL

    @property
    def is_brisk(self) -> bool:
        """Whether every effect is short, so that a manager that stops in order leaves nothing open."""
        return not self.during and not self.slow
