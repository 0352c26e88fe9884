"""One run of a scenario under a plan: starts managers, breaks them, starts them again, until everything has settled.

Called by the explorer, the tests and `replay`. What must hold is not decided here.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import random
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast
from unittest import mock

import structlog

from kubechain.controllers import decisions
from kubechain.controllers.setup import Clients, Settings, add_controllers
from kubechain.mcp.manager import ConnectionManager
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.controller import SyncTimeout
from kubechain.runtime.leaderelection import LeadershipLost
from kubechain.runtime.manager import Election, Manager, Options
from kubechain.runtime.shards.gate import Gate
from kubechain.runtime.transport import Exchange
from kubechain.tools.engine import ContainerEngine
from kubechain.tools.external_api import ExternalAPIClient
from kubechain_apiserver import Change
from kubechain_apiserver.wire.errors import StatusError
from test.simulation import contact, deliveries, oracles
from test.simulation.cluster import NAMESPACE, Cluster, phase_of, status_of
from test.simulation.fakes import ATTENDED_SECONDS, Model, Network, Surroundings, connector
from test.simulation.hosting import ISOLATION, Kubelet
from test.simulation.invariants import Watchman
from test.simulation.jobs import Jobs, WithJobs
from test.simulation.loop import PROCESS, SeededLoop
from test.simulation.outside import Act, Outside, Stage, hiccups_of
from test.simulation.plans import REFERENCE, Plan
from test.simulation.points import Points, Process
from test.simulation.rights import SecretsByName
from test.simulation.scenarios import Scenario
from test.simulation.wire import Weather, Wire

PATIENCE_SECONDS = 6 * 3_600.0
"""Of virtual time: a run that has not ended by then hangs."""

SETTLE_SECONDS = 90.0
"""After the last run has ended: for events, leases, and everything that comes late."""

FROZEN_SECONDS = 70.0
"""Long enough that both leases run out and somebody else takes over, shorter than the time-out of a first list. So long
is a process cut off too."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to.

    Attributes:
        scenario: Of which story.
        violations: What was wrong, one sentence each.
        state: All objects of our kinds at the end, without what differs between equal runs.
        writes: Of our kinds, by object and phase.
        points: The W points that were passed, in order.
        broken: Those that the plan broke.
        is_complete: Whether people did all that they had to do in the story.
        left_open: Objects that were claimed when a process ended.
        cut_off: W points that were under way when a process ended: whether they took effect is chance.
        has_suffered: Whether a point was broken, or a process stood still or was cut off.
        steps: Callbacks of all processes until the runs had ended.
        revisions: Of the first and the last write of the story.
        story: Log lines, when asked for.
    """

    scenario: Scenario
    violations: tuple[str, ...]
    state: Mapping[str, Any]
    writes: Counter[str]
    points: tuple[str, ...]
    broken: tuple[str, ...]
    is_complete: bool
    left_open: frozenset[str]
    cut_off: frozenset[str]
    has_suffered: bool
    steps: int
    revisions: tuple[int, int]
    story: tuple[str, ...] = field(default=(), repr=False)


class _Replica:
    """One manager process, from its start to its end."""

    def __init__(self, world: _World, name: str) -> None:
        self.process = Process(name, end=self._cancel, stop=self._stop)
        around = Surroundings(
            process=self.process,
            points=world.points,
            watchman=world.watchman,
            chance=random.Random(f"services {name} {world.seed}"),
            outside=world.outside,
            happening=world.happening,
        )
        server: Exchange = WithJobs(world.cluster.exchange(name), world.jobs)
        if not world.scenario.watches_secrets:
            server = SecretsByName(server)
        wire = Wire(
            server,
            self.process,
            world.points,
            world.weather,
            outside=world.outside,
            acted=world.act_upon,
            seed=world.seed,
        )
        clock = LoopClock(seed=world.seed)
        election = Election(namespace=NAMESPACE) if world.scenario.managers > 1 and world.scenario.elects else None
        options, pod = Options(election=election, shards=world.scenario.shares), name.rpartition("_")[0]
        self.manager = Manager(wire, identity=name, pod=pod, clock=clock, options=options)
        clients = Clients(
            llm=Model(around, world.scenario.script),
            make_connections=lambda tell: ConnectionManager(on_change=tell, clock=clock, connector=connector(around)),
            http=ExternalAPIClient(exchanger=Network(around, world.scenario.answers)),
            engine=ContainerEngine(which=lambda program: None),
            channels=contact.kinds(around),
        )
        settings = Settings(isolation=ISOLATION) if world.scenario.is_hosting else None
        add_controllers(self.manager, clients=clients, settings=settings)
        context = contextvars.copy_context()
        context.run(PROCESS.set, name)
        self.task = asyncio.get_running_loop().create_task(self.manager.run(), name=name, context=context)

    def _cancel(self) -> None:
        self.task.cancel()

    def _stop(self) -> None:
        self.manager.stop()

    async def stop(self) -> None:
        """Stop in order."""
        self.process.stop()
        await asyncio.wait({self.task})


class _World:
    """Everything of one simulation."""

    def __init__(self, scenario: Scenario, plan: Plan, seed: int) -> None:
        self.scenario = scenario
        self.plan = plan
        self.seed = seed
        self.watchman = Watchman(scenario.guarded)
        self.watchman.sharing.gates = self._gates
        self.outside = Outside(hiccups_of(scenario.hiccups), dict(scenario.failing), slow=scenario.slow)
        self.jobs = Jobs(self.watchman, self.outside, scenario.answers, self.happening, seed)
        self.cluster = Cluster(seed, self._on_change, is_hosting=scenario.is_hosting)
        self.watchman.deleted_by_people = self.cluster.deleted_by_people
        self._kubelet = Kubelet(self.watchman.violated, self.cluster.set_ready, seed)
        self.weather = Weather(plan, seed, compact=self.cluster.forget_the_past)
        self._chance = random.Random(f"world {plan} {seed}")
        self.points = Points(plan, self._chance, on_crash=self._on_end)
        self._stage = Stage(self.cluster, self.outside, self._later_on_stage)
        self._to_happen = dict(scenario.during)
        self._acting_until: dict[str, float] = {}
        self._left_open: set[str] = set()
        self._cut_off: set[str] = set()
        self._was_struck = False
        self._births = 0
        self._replicas: list[_Replica] = []

    # --- what the story asks

    def happening(self, label: str) -> bool:
        """A side effect is going on: people may act now, or are about to since an earlier attempt at it."""
        now = asyncio.get_running_loop().time()
        for start in [start for start in self._to_happen if label.startswith(start)]:
            self._acting_until[start] = now + ATTENDED_SECONDS
            self._later_on_stage(0.0, self._to_happen.pop(start))
        return any(label.startswith(start) and now < until for start, until in self._acting_until.items())

    def act_upon(self, label: str) -> None:
        """A write is on its way: what people do now is done before it arrives."""
        for start in [start for start in self._to_happen if label.startswith(start)]:
            act = self._to_happen.pop(start)
            try:
                contextvars.Context().run(act, self._stage)
            except StatusError as error:
                self.watchman.violated(f"people could not act upon {label}: {error}")

    def _later_on_stage(self, seconds: float, act: Act) -> None:
        self._later(seconds, act, self._stage)

    def _on_change(self, change: Change) -> None:
        self.watchman.on_change(change)
        self.jobs.on_change(change)
        self._kubelet.on_change(change)

    # --- processes

    def start(self, pod: str) -> None:
        """Start a manager in a pod: a new process each time."""
        self._births += 1
        self._replicas.append(_Replica(self, f"{pod}_{self._births}"))

    def _gates(self) -> dict[str, Gate]:
        """Of those that start work: not of one that stops, which only ends what it has begun."""
        at_work = (one for one in self._replicas if not (one.process.is_dead or one.process.is_stopping))
        return {one.process.name: gate for one in at_work if (gate := one.manager.gate) and not one.task.done()}

    def _on_end(self, process: Process) -> None:
        """Somebody, the kubelet or the Deployment, starts another one after a while."""
        for plural in ("taskruns", "taskruntoolcalls"):
            claimed = (name for name, phase in self._phases(plural).items() if phase in oracles.CLAIMS)
            self._left_open.update(f"{plural}/{name}" for name in claimed)
        self._cut_off.update(self.points.under_way(process))
        pod = process.name.partition("_")[0]
        successor = pod if self._chance.random() < 0.5 else f"{pod}x"
        self._later(self._chance.uniform(0.0, 5.0), self.start, successor)

    def _later(self, seconds: float, act: Any, *arguments: Any) -> None:
        asyncio.get_running_loop().call_later(seconds, act, *arguments, context=contextvars.Context())

    def exit_now(self, code: int) -> None:
        """What `os._exit` is in here."""
        del code
        replica = next(one for one in self._replicas if one.process.name == PROCESS.get())
        self._on_end(replica.process)
        replica.process.crash()

    def _look_after(self) -> None:
        """Start again what ended by itself, and wonder about why."""
        for replica in list(self._replicas):
            if not replica.task.done():
                continue
            self._replicas.remove(replica)
            error = None if replica.task.cancelled() else replica.task.exception()
            if replica.process.is_dead:
                continue
            replica.process.is_dead = True
            is_stopped = replica.process.is_stopping and not replica.task.cancelled() and error is None
            if not is_stopped and not _is_in_order(error):
                self.watchman.violated(f"manager {replica.process.name} ended: {error!r}")
            self._on_end(replica.process)

    # --- the run

    async def run(self) -> Outcome:
        """Tell the whole story."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SeededLoop)
        loop.set_exception_handler(lambda _, context: self.watchman.violated(f"event loop: {context!r}"))
        self.scenario.arrange(self.cluster)
        begun_at = self.cluster.revision
        if self.plan.fault == "freeze":
            loop.strike_at(self.plan.at, self._freeze)
        if self.plan.fault == "cut":
            loop.strike_at(self.plan.at, self._cut_off_for_a_while)
        for seconds, act in self.scenario.later.items():
            self._later_on_stage(seconds, act)
        for number in range(self.scenario.managers):
            self.start(f"pod-{'abcd'[number]}")
        await self._until_over()
        steps, ended_at = loop.steps, self.cluster.revision
        self.weather.clear_up()
        self.points.is_over = True
        await self._watch_over(SETTLE_SECONDS)
        letters = self.outside.letters
        state = oracles.normalised(self.cluster.ours()) | deliveries.arrived(
            letters, tells_the_end=self.scenario.tells_the_end
        )
        writes = Counter(self.watchman.writes)
        passed = tuple(self.points.passed)
        self.watchman.look_for_left_overs(self.cluster.ours(), letters if self.scenario.tells_the_end else {})
        await self._see_that_it_has_converged()
        self.cluster.close()
        return Outcome(
            scenario=self.scenario,
            violations=tuple(dict.fromkeys(self.watchman.violations)),
            state=state,
            writes=writes,
            points=passed,
            broken=tuple(self.points.broken),
            is_complete=not self._to_happen,
            left_open=frozenset(self._left_open),
            cut_off=frozenset(self._cut_off),
            has_suffered=bool(self.points.broken) or self._was_struck,
            steps=steps,
            revisions=(begun_at, ended_at),
        )

    def _freeze(self, process: str) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SeededLoop)
        self._was_struck = True
        loop.freeze(process)
        self._later(FROZEN_SECONDS, loop.thaw, process)

    def _cut_off_for_a_while(self, name: str) -> None:
        self._was_struck = True
        process = next(one.process for one in self._replicas if one.process.name == name)
        process.is_cut_off = True
        self._later(FROZEN_SECONDS, setattr, process, "is_cut_off", False)

    async def _until_over(self) -> None:
        limit = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while not self._is_over():
            if asyncio.get_running_loop().time() > limit:
                self.watchman.violated(f"hangs: {self._phases()}")
                return
            await self._watch_over(1.0)

    async def _watch_over(self, seconds: float) -> None:
        for _ in range(max(1, int(seconds / 5.0))):
            await asyncio.sleep(min(seconds, 5.0))
            self._look_after()

    def _is_over(self) -> bool:
        phases = self._phases()
        has_ended = all(self._has_ended(name, phases.get(name)) for name in self.scenario.ends)
        return has_ended and not deliveries.are_open(self.cluster.list("humanrequests"))

    def _has_ended(self, name: str, phase: str | None) -> bool:
        is_gone = phase is None and f"DELETE taskruns/{name}" in self.watchman.writes
        is_to_go = self.scenario.ends[name] is None and not self._to_happen
        return is_gone or (phase in _ENDS and not is_to_go)

    def _phases(self, plural: str = "taskruns") -> dict[str, str]:
        return {obj["metadata"]["name"]: phase_of(obj) for obj in self.cluster.list(plural)}

    def _circuits_to_close(self) -> Counter[str]:
        """What the next manager writes of circuits that were open when the last one ended: its own begin closed."""
        names = [
            llm["metadata"]["name"]
            for llm in self.cluster.list("llms")
            if any(
                one["type"] == "CircuitOpen" and one["status"] == "True"
                for one in status_of(llm).get("conditions") or ()
            )
        ]
        return Counter(
            label for name in names for label in (f"WRITE llms/{name} Ready still", f"LLM/{name} ProviderAnswers")
        )

    async def _see_that_it_has_converged(self) -> None:
        """A new manager that looks at everything again has nothing to write."""
        await self._stop_all()
        for name, phase in self.scenario.ends.items() if not self._to_happen else ():
            if self._phases().get(name) != phase:
                self.watchman.violated(f"taskruns/{name} ended in {self._phases().get(name)!r} and not in {phase!r}")
        if missing := self.scenario.delivered - {letter.label for letter in self.outside.letters.values()}:
            self.watchman.violated(f"never arrived: {sorted(missing)}")
        before = self.watchman.writes + self.watchman.news + self._circuits_to_close()
        self.start("pod-z")
        await self._watch_over(60.0)
        if extra := self.watchman.writes + self.watchman.news - before:
            self.watchman.violated(f"had not converged: {dict(extra)}")
        await self._stop_all()

    async def _stop_all(self) -> None:
        for replica in self._replicas:
            await replica.stop()
        self._look_after_stopped()
        self._replicas.clear()

    def _look_after_stopped(self) -> None:
        for replica in self._replicas:
            error = None if replica.task.cancelled() else replica.task.exception()
            if error is not None and not _is_in_order(error):
                self.watchman.violated(f"manager {replica.process.name} did not stop in order: {error!r}")


_ENDS = {"FinalAnswer", "Failed", "Cancelled"}


def _is_in_order(error: BaseException | None) -> bool:
    """Whether a manager may end with this: the kubelet starts it again."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_in_order, cast("BaseExceptionGroup[BaseException]", error).exceptions))
    return isinstance(error, LeadershipLost | SyncTimeout)


def simulate(scenario: Scenario, plan: Plan = REFERENCE, seed: int = 0, *, with_story: bool = False) -> Outcome:
    """Run one story to its end, on a loop of its own.

    Args:
        with_story: Keep every log line.
    """
    loop = SeededLoop(seed)
    story: list[str] = []

    async def tell() -> Outcome:
        world = _World(scenario, plan, seed)
        with (
            _logs_go_to(world.watchman, story if with_story else None),
            world.watchman.sharing.watching(),
            mock.patch.object(os, "_exit", world.exit_now),
            mock.patch.object(decisions, "DEFAULT_EXPIRE_AFTER", scenario.expire_after),
        ):
            return await world.run()

    gc.disable()  # finalizers would run at moments that no seed decides
    try:
        outcome = loop.run_until_complete(tell())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.abandon()
        loop.close()
        gc.enable()
    return replace(outcome, story=tuple(story))


@contextmanager
def _logs_go_to(watchman: Watchman, story: list[str] | None) -> Generator[None]:
    """See every log line: none may show a secret."""

    def look(_: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        text = f"{PROCESS.get() or 'world':10} {asyncio.get_running_loop().time():10.3f} {method:8} {dict(event)}"
        watchman.look_for_secrets("a log line", text.encode())
        if story is not None:
            story.append(text)
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.format_exc_info, look],
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)
