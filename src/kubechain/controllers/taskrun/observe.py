"""A TaskRun, what it depends on, and what became of the process that claimed its model call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kubechain.api.agent import Agent
from kubechain.api.approvalpolicy import ApprovalPolicy
from kubechain.api.llm import LLM
from kubechain.api.meta import is_owned_by
from kubechain.api.references import LocalObjectReference
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers.blocked import Block, block_of
from kubechain.controllers.continued import is_awaited
from kubechain.controllers.namespacebudgets import BudgetBook, BudgetUse
from kubechain.controllers.replica import Replica
from kubechain.controllers.retrylimit import retry_for_seconds
from kubechain.controllers.spending import SpendingReader
from kubechain.controllers.taskrun import contextsize
from kubechain.controllers.taskrun.adoption import is_adopted
from kubechain.controllers.taskrun.budgetfacts import BudgetFacts, BudgetReader
from kubechain.controllers.taskrun.budgets import Budget
from kubechain.controllers.taskrun.chunkstore import ChunkBroken, ChunkStore, ChunkUnread
from kubechain.controllers.taskrun.claims import object_name
from kubechain.controllers.taskrun.excerpts import NOTHING, Excerpt
from kubechain.controllers.taskrun.fallbacks import Candidate
from kubechain.controllers.taskrun.llmslots import Trouble
from kubechain.controllers.taskrun.sources import Source, SourceReader
from kubechain.controllers.taskrun.watches import EARLIER_CALLS_BY_RUN
from kubechain.controllers.toolkinds.model import Found
from kubechain.controllers.toolkinds.registry import ToolKinds
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import RetryableError
from kubechain.runtime.store import Lister

CHUNK_UNREAD_SECONDS = 1.0
"""Before a ContextChunk that the server did not give is read again."""


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision about a run depends on.

    Attributes:
        task: None when the run names none, or when it does not exist.
        agent: The run's own, else its Task's; None when it does not exist (any more).
        llm: The pinned one once the run has begun, else the Agent's.
        fallbacks: Of the LLM, as they were pinned once the run has begun.
        trouble: Why a call of the LLM is of no use now; looked for only where it has fallbacks.
        tools: What the model may call: the Agent's offers; once the run has begun, what the pinned names stand for now.
        calls: The objects of the run's tool calls, by name.
        policies: All ApprovalPolicies of the namespace, while the run has not begun.
        earlier_calls: Those that an earlier release made, by the id of the call.
        budgets: The limits of the run, then those of the runs above it, each with what its tree has spent.
        namespace_budgets: The Budgets of the namespace that bind the run, with what is spent of each.
        budget_facts: What a decision about them depends on.
        holder_gone_in_seconds: For a claim found in the status: 0 when its holder is gone, else how long to wait before
            asking again.
        summariser: The LLM that writes summaries, where the Agent names one that exists.
        earlier: What a request needs of the messages in ContextChunks; read only where the next one has to be shorter.
        source: The run that this one continues, until it has begun; None where it names none, or it does not exist.
        is_awaited: Whether another run waits to continue this one; looked for only once it has ended.
        agents_llm_is_ready: Whether the LLM that the Agent names is; looked for only where the run names another.
    """

    run: TaskRun
    task: Task | None
    agent: Agent | None
    llm: LLM | None
    now: datetime
    fallbacks: tuple[Candidate, ...] = ()
    trouble: Trouble | None = None
    tools: tuple[Found, ...] = ()
    calls: Mapping[str, TaskRunToolCall] = field(default_factory=dict[str, TaskRunToolCall])
    budgets: tuple[Budget, ...] = ()
    namespace_budgets: tuple[BudgetUse, ...] = ()
    budget_facts: BudgetFacts = field(default_factory=BudgetFacts)
    policies: tuple[ApprovalPolicy, ...] = ()
    earlier_calls: Mapping[str, TaskRunToolCall] = field(default_factory=dict[str, TaskRunToolCall])
    holder_gone_in_seconds: float = 0.0
    summariser: LLM | None = None
    earlier: Excerpt = NOTHING
    source: Source | None = None
    is_awaited: bool = False
    agents_llm_is_ready: bool = False

    @property
    def has_begun(self) -> bool:
        """Whether Agent, LLM and tools are pinned: from then on edits of Agent and Task change nothing."""
        return self.run.status.pinned is not None

    @property
    def is_own_run_of_task(self) -> bool:
        """Whether the Task created this run, so that it has found its Agent ready already."""
        return self.task is not None and is_owned_by(self.run, self.task)

    @property
    def block(self) -> Block:
        """What keeps the run from going on, if anything does."""
        return block_of(self.run.status.blocked_since, self.now, retry_for_seconds(self.run.status.pinned))

    @property
    def agent_name(self) -> str:
        """The Agent's name, empty while the Task that would name it is missing."""
        reference = agent_reference(self.run, self.task)
        return reference.name if reference else ""

    @property
    def pinned_agent_name(self) -> str:
        """The name of the Agent whose run it is; empty while the run has not begun."""
        return self.run.status.pinned.agent_name if self.run.status.pinned else ""

    @property
    def llm_name(self) -> str:
        """The LLM's name, empty while the Agent that would name it is missing."""
        return llm_name(self.run, self.agent)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The run's LLM, then its fallbacks."""
        return (Candidate(self.llm_name, self.llm, self.trouble), *self.fallbacks)

    @property
    def is_cost_bound(self) -> bool:
        """Whether a limit of cost binds the run."""
        return any(budget.limits is not None and budget.limits.max_cost is not None for budget in self.budgets)


def agent_reference(run: TaskRun, task: Task | None) -> LocalObjectReference | None:
    """The Agent that does the work: the run's own overrides its Task's."""
    return run.spec.agent_ref or (task.spec.agent_ref if task else None)


def llm_name(run: TaskRun, agent: Agent | None) -> str:
    """The pinned LLM once the run has begun, else the run's own, which overrides its Agent's; empty for none."""
    if run.status.pinned is not None:
        return run.status.pinned.llm_name
    reference = run.spec.llm_ref or (agent.spec.llm_ref if agent else None)
    return reference.name if reference else ""


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads what a decision about a run needs from the caches."""

    runs: Lister[TaskRun]
    tasks: Lister[Task]
    agents: Lister[Agent]
    llms: Lister[LLM]
    tool_calls: Lister[TaskRunToolCall]
    policies: Lister[ApprovalPolicy]
    kinds: ToolKinds
    budgets: BudgetReader
    trouble: Callable[[LLM], Trouble | None]
    budget_book: BudgetBook
    replica: Replica
    chunks: ChunkStore
    sources: SourceReader
    clock: Clock

    async def observe(self, run: TaskRun) -> Observed:
        """Read everything, change nothing."""
        namespace, pinned = run.metadata.namespace, run.status.pinned
        task = self.tasks.get(namespace, run.spec.task_ref.name) if run.spec.task_ref else None
        reference = agent_reference(run, task)
        agent_name = pinned.agent_name if pinned else (reference.name if reference else "")
        agent = self.agents.get(namespace, agent_name) if agent_name else None
        llm = self.llms.get(namespace, name) if (name := llm_name(run, agent)) else None
        fallbacks = self._fallbacks(run, llm)
        is_long = any(contextsize.is_due(run, one) for one in (llm, *(other.llm for other in fallbacks)))
        return Observed(
            run=run,
            task=task,
            agent=agent,
            llm=llm,
            fallbacks=fallbacks,
            trouble=self.trouble(llm) if llm is not None and fallbacks else None,
            now=self.clock.now(),
            tools=self._tools(run, agent),
            calls=self._calls(run),
            policies=() if pinned else tuple(self.policies.list(namespace)),
            earlier_calls=self._earlier_calls(run),
            budgets=self._budgets(run, agent),
            namespace_budgets=() if run.status.completion_time else self.budget_book.binding(namespace, agent_name),
            budget_facts=await self.budgets.facts(run),
            holder_gone_in_seconds=await self._holder_gone_in_seconds(run),
            summariser=self._summariser(run) if is_long else None,
            earlier=await self._earlier(run) if is_long else NOTHING,
            source=await self.sources.of(run),
            is_awaited=run.status.completion_time is not None and is_awaited(self.runs, run),
            agents_llm_is_ready=self._agents_llm_is_ready(run, agent),
        )

    def candidates(self, run: TaskRun) -> tuple[Candidate, ...]:
        """The LLMs of a run that has begun, as they are now."""
        pinned = run.status.pinned
        names = (pinned.llm_name, *(one.name for one in pinned.fallbacks)) if pinned else ()
        return tuple(self._candidate(run, name) for name in names)

    def _agents_llm_is_ready(self, run: TaskRun, agent: Agent | None) -> bool:
        if run.spec.llm_ref is None or run.status.pinned is not None or agent is None:
            return False
        return self._candidate(run, agent.spec.llm_ref.name).is_ready

    def _fallbacks(self, run: TaskRun, llm: LLM | None) -> tuple[Candidate, ...]:
        """Those that the run pinned, else those of the LLM."""
        if run.status.pinned is not None:
            return self.candidates(run)[1:] if run.status.pinned.fallbacks else ()
        return tuple(self._candidate(run, one.name) for one in llm.spec.fallbacks) if llm else ()

    def _candidate(self, run: TaskRun, name: str) -> Candidate:
        llm = self.llms.get(run.metadata.namespace, name)
        return Candidate(name, llm, self.trouble(llm) if llm is not None else None)

    def _summariser(self, run: TaskRun) -> LLM | None:
        named = contextsize.settings(run).summariser
        return self.llms.get(run.metadata.namespace, named.llm_ref.name) if named else None

    async def _earlier(self, run: TaskRun) -> Excerpt:
        """What a request needs of the messages in ContextChunks; nothing where one is broken, as the request finds out.

        Raises:
            RetryableError: The server does not answer.
        """
        try:
            return await self.chunks.needed(run)
        except ChunkUnread as error:
            raise RetryableError(str(error), retry_after_seconds=CHUNK_UNREAD_SECONDS) from error
        except ChunkBroken:
            moved = run.status.chunks
            return Excerpt(start=moved.message_count) if moved else NOTHING

    def is_unwanted(self, run: TaskRun) -> bool:
        """Whether the run is cancelled or deleted, as the cache has it."""
        latest = self.runs.get(run.metadata.namespace, run.metadata.name)
        return latest is None or latest.spec.cancel or latest.metadata.deletion_timestamp is not None

    def is_agent_gone(self, run: TaskRun) -> bool:
        """Whether the Agent that the run pinned was deleted."""
        pinned = run.status.pinned
        return pinned is not None and self.agents.get(run.metadata.namespace, pinned.agent_name) is None

    def _calls(self, run: TaskRun) -> dict[str, TaskRunToolCall]:
        """The objects of the open turn, by their deterministic names: a run of days has thousands of others."""
        wanted = (object_name(run, call) for call in run.status.pending_turn)
        found = (self.tool_calls.get(run.metadata.namespace, one) for one in wanted)
        return {call.metadata.name: call for call in found if call is not None}

    def _earlier_calls(self, run: TaskRun) -> dict[str, TaskRunToolCall]:
        """The calls that an earlier release made for the run, the newest of each id."""
        if not is_adopted(run):
            return {}
        made = self.tool_calls.by_index(EARLIER_CALLS_BY_RUN, f"{run.metadata.namespace}/{run.metadata.name}")
        own = sorted((call for call in made if is_owned_by(call, run)), key=_age_key)
        return {call.spec.tool_call_id: call for call in own}

    def _budgets(self, run: TaskRun, agent: Agent | None) -> tuple[Budget, ...]:
        if run.status.pinned is None or run.status.completion_time is not None:
            return ()
        reader = SpendingReader(self.runs, self.tool_calls, newest=run)
        spent = reader.of_tree(run)
        own, has_below = agent.spec.limits if agent else None, spent.turns > run.status.turn
        budgets = [Budget("", own, spent, has_below, run.status.budget_requests)]
        for above in reader.above(run):
            name = above.status.pinned.agent_name if above.status.pinned else ""
            other = self.agents.get(run.metadata.namespace, name)
            limits = other.spec.limits if other else None
            asked = above.status.budget_requests
            budgets.append(Budget(above.metadata.name, limits, reader.of_tree(above), has_below=True, requests=asked))
        return tuple(budgets)

    def _tools(self, run: TaskRun, agent: Agent | None) -> tuple[Found, ...]:
        if run.status.pinned is not None:
            return tuple(self.kinds.find(run.metadata.namespace, tool) for tool in run.status.pinned.tools)
        return self.kinds.offers_of(agent) if agent else ()

    async def _holder_gone_in_seconds(self, run: TaskRun) -> float:
        claim = run.status.llm
        if run.status.phase != TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM or claim is None:
            return 0.0
        return await self.replica.gone_in_seconds(claim.holder, run)


def _age_key(call: TaskRunToolCall) -> tuple[float, str]:
    created_at = call.metadata.creation_timestamp
    return (created_at.timestamp() if created_at else 0.0, call.metadata.name)
