"""What must hold after every single write, whoever made it: checked in the API server itself.

Also holds the ledger of side effects and the checks that each of them must pass at its moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kubechain.api.message import Message
from kubechain.humans import model as contact
from kubechain.llm.errors import LLMError
from kubechain_apiserver import Change
from test.simulation import tasks
from test.simulation.answers import AnswerLaws
from test.simulation.approvals import ApprovalLaws
from test.simulation.budgets import BudgetLaws
from test.simulation.cluster import now, phase_of, seconds_of, status_of
from test.simulation.continuing import ContinuationLaws, copied_count
from test.simulation.deliveries import DeliveryLaws
from test.simulation.fallbacks import FallbackLaws, llm_of
from test.simulation.growth import GrowthLaws, is_on_its_way, is_shortened
from test.simulation.history import HistoryLaws
from test.simulation.outside import Letter
from test.simulation.sharing import SharingLaws
from test.simulation.spending import SpendingLaws
from test.simulation.turnlaws import TurnLaws
from test.simulation.typed import TypedLaws

JsonObject = dict[str, Any]

CANARIES = (b"sk-canary-", b"tok-canary-", b"c2stY2FuYXJ5", b"dG9rLWNhbmFye")
"""How every secret value of the simulation begins, as it is and as a Secret holds it."""

STILL = "still"
"""Ends the label of a write that left an object in its phase: it says what is waited for."""

OURS = "kubechain.humanlayer.dev/"

_RUN_END = {"FinalAnswer", "Failed", "Cancelled"}
_CALL_END = {"Succeeded", "Failed", "ToolCallRejected", "OutcomeUnknown", "Cancelled"}
_DECIDED = {"ReadyToExecuteApprovedTool", "ToolCallRejected", "Failed", "Cancelled"}

RUN_EDGES: dict[str, set[str]] = {
    # W1 or W5, alone where the run must wait, or together with the claim that follows.
    "": {"Initializing", "Pending", "ReadyForLLM", "SendContextWindowToLLM", "Failed", "Cancelled"},
    "Initializing": {"Pending", "ReadyForLLM", "SendContextWindowToLLM", "Failed", "Cancelled"},
    "Pending": {"ReadyForLLM", "SendContextWindowToLLM", "Failed", "Cancelled"},
    "ReadyForLLM": {"SendContextWindowToLLM", "Failed", "Cancelled"},
    # To itself: a later attempt takes the claim over.
    "SendContextWindowToLLM": {"SendContextWindowToLLM", "ReadyForLLM", "ToolCallsPending", "ErrorBackoff", *_RUN_END},
    "ErrorBackoff": {"SendContextWindowToLLM", "Failed", "Cancelled"},
    "ToolCallsPending": {"ReadyForLLM", "SendContextWindowToLLM", "CheckingToolCalls", "Failed", "Cancelled"},
    "CheckingToolCalls": {"ReadyForLLM", "SendContextWindowToLLM", "Failed", "Cancelled"},
}
CALL_EDGES: dict[str, set[str]] = {
    "": {"Pending", "Running", "AwaitingSubAgent", "AwaitingHumanApproval", "AwaitingHumanInput", *_CALL_END},
    "Pending": {"Running", "AwaitingSubAgent", "AwaitingHumanApproval", "AwaitingHumanInput", *_CALL_END},
    "AwaitingHumanApproval": {"ErrorRequestingHumanApproval", *_DECIDED},
    "ErrorRequestingHumanApproval": {"AwaitingHumanApproval", *_DECIDED},
    # To the end at once: a function of the operator needs no claim, and a policy may refuse what a person edited.
    "ReadyToExecuteApprovedTool": {"Running", "AwaitingSubAgent", "AwaitingHumanInput", *_CALL_END},
    # Back to Pending: the attempt certainly did nothing, or may be repeated.
    "Running": {"Running", "Pending", "AwaitingHumanInput", *_CALL_END},
    "AwaitingSubAgent": {"AwaitingSubAgent", "AwaitingHumanInput", *_CALL_END},
    # Back to Pending: a person said that nothing happened.
    "AwaitingHumanInput": {"ErrorRequestingHumanInput", "Pending", *_CALL_END},
    "ErrorRequestingHumanInput": {"AwaitingHumanInput", *_CALL_END},
}
_EDGES = {"taskruns": (RUN_EDGES, _RUN_END), "taskruntoolcalls": (CALL_EDGES, _CALL_END)}


class Watchman:
    """Sees every write and every side effect, and keeps what was wrong with them.

    Attributes:
        violations: One sentence each; empty is good.
        writes: Of our kinds, by object and phase.
        news: Events that were written, by object and reason.
        sharing: What must hold where replicas share the runs.
    """

    def __init__(self, guarded: frozenset[str] = frozenset()) -> None:
        """Begin with a clean book.

        Args:
            guarded: Names of the tools that a person must approve.
        """
        self._approvals = ApprovalLaws(guarded, self.violated)
        self._budgets = BudgetLaws(self.violated)
        self._spending = SpendingLaws(self.violated)
        self._answers = AnswerLaws(self.violated)
        self._deliveries = DeliveryLaws(self.violated)
        self._fallbacks = FallbackLaws(self.violated)
        self._growth = GrowthLaws(self.violated)
        self._typed = TypedLaws(self.violated)
        self.sharing = SharingLaws(self.violated)
        self._turns = TurnLaws(self.violated)
        self._continuations = ContinuationLaws(self.violated)
        self._history = HistoryLaws(self.violated)
        self.violations: list[str] = []
        self.deleted_by_people: set[tuple[str, str]] = set()
        self.writes: Counter[str] = Counter()
        self.news: Counter[str] = Counter()
        self._claims: set[tuple[str, str]] = set()
        self._model_claims: Counter[str] = Counter()
        self._model_calls: Counter[str] = Counter()
        self._chunks: dict[str, JsonObject] = {}
        self._claimed: dict[str, list[tuple[list[JsonObject], JsonObject]]] = {}
        self._call_claims: Counter[tuple[str, str]] = Counter()
        self._executions: Counter[tuple[str, str]] = Counter()
        self._ends: dict[tuple[str, str], JsonObject] = {}
        self._born: set[tuple[str, str, str]] = set()
        self._made_again: set[tuple[str, str]] = set()
        self._asked_to_wait_until = 0.0
        self._held_until: dict[tuple[str, str], float] = {}

    # --- writes

    def on_change(self, change: Change) -> None:
        """Look at one write."""
        plural, name = change.key.resource.plural, change.key.name
        if plural != "secrets":
            self.look_for_secrets(f"{plural}/{name}", change.record.data)
        if plural == "events":
            self._count_news(change.record.object)
        if change.deleted:
            self._deliveries.on_deletion(plural, change.record.object)
            self._spending.on_deletion(plural, change.record.object)
            is_by_people = (plural, name) in self.deleted_by_people
            self._history.on_deletion(plural, change.record.object, is_by_people=is_by_people)
            self._count(f"DELETE {plural}/{name}", plural)
            return
        after, before = change.record.object, change.previous.object if change.previous else None
        if before is not None and before["metadata"]["uid"] != after["metadata"]["uid"]:
            before = None
        self._check(plural, name, before or {}, after)
        self._approvals.on_change(plural, after)
        self._budgets.on_change(plural, after)
        self._spending.on_change(plural, after)
        self._answers.on_change(plural, before or {}, after)
        self._typed.on_change(plural, after)
        self.sharing.on_change(plural, before or {}, after)
        self._history.on_change(plural, after)
        self._deliveries.on_change(plural, before or {}, after)
        self._fallbacks.on_change(plural, before or {}, after)
        if plural == "contextchunks":
            self._chunks[name] = after["spec"]
        verb, place = "CREATE" if before is None else "WRITE", _place(after)
        is_claim = self._note_claims(status_of(after))
        if before is not None and place == _place(before) and not is_claim:
            place = f"{place} {STILL}"
        self._count(f"{verb} {plural}/{name} {place}".rstrip(), plural)

    def _check(self, plural: str, name: str, before: JsonObject, after: JsonObject) -> None:
        if not before:
            self._check_birth(plural, name, _owner_uid(after))
        if plural == "taskruntoolcalls":
            self._check_made_again(plural, name, after)
        if before:
            self._check_finalizers(f"{plural}/{name}", before, after)
        if before and plural in _EDGES:
            self._check_edge(plural, name, status_of(before), status_of(after))
        if plural == "taskruns":
            self._check_conversation(name, status_of(before), after)
            self._check_claim(name, status_of(before), after)
            self._growth.on_write(name, status_of(before), status_of(after))
        if plural == "taskruntoolcalls" and phase_of(after) in _CALL_END:
            self._ends[_owner_uid(after), after["spec"]["toolCallId"]] = status_of(after)

    def _count(self, label: str, plural: str) -> None:
        if plural not in ("leases", "events", "customresourcedefinitions"):
            self.writes[label] += 1

    def _count_news(self, event: JsonObject) -> None:
        about: JsonObject = event.get("regarding") or event.get("involvedObject") or {}
        self.news[f"{about.get('kind')}/{about.get('name')} {event.get('reason')}"] += 1

    def _check_birth(self, plural: str, name: str, owner: str) -> None:
        """What belongs to something is made once: people who delete it do not want it back.

        But a request that a person deleted is: the call that waits for it goes on by its decision alone.

        A tool call may be made again by a manager that read its run just before another one answered the call: no read
        and no name can prevent that. It must then end without having been claimed, unless it is a pure function.
        """
        if owner and (plural, name, owner) in self._born:
            is_wanted_back = plural == "humanrequests" and (plural, name) in self.deleted_by_people
            if plural != "taskruntoolcalls" and not is_wanted_back:
                self.violated(f"{plural}/{name} was made again after it had been deleted")
            self._made_again.add((name, owner))
        self._born.add((plural, name, owner))

    def _check_made_again(self, plural: str, name: str, after: JsonObject) -> None:
        is_again = (name, _owner_uid(after)) in self._made_again and after["spec"].get("toolType") != "function"
        if is_again and phase_of(after) in ("Running", "AwaitingSubAgent"):
            self.violated(f"{plural}/{name} was made again after it had been deleted, and claimed")

    def _check_finalizers(self, what: str, before: JsonObject, after: JsonObject) -> None:
        if lost := foreign_finalizers(before) - foreign_finalizers(after):
            self.violated(f"{what}: lost finalizers that are not ours: {sorted(lost)}")

    def _check_edge(self, plural: str, name: str, before: JsonObject, after: JsonObject) -> None:
        edges, ends = _EDGES[plural]
        old, new = str(before.get("phase", "")), str(after.get("phase", ""))
        if old in ends and (new != old or _conclusion(before) != _conclusion(after)):
            self.violated(f"{plural}/{name} was over ({old}) and was changed ({new})")
        if old != new and old not in ends and new not in edges.get(old, set()):
            self.violated(f"{plural}/{name} went from {old!r} to {new!r}")
        is_back = (old, new) == ("SendContextWindowToLLM", "ReadyForLLM") and not is_on_its_way(before, after)
        if is_back and _said(before) == _said(after):
            self.violated(f"{plural}/{name}: somebody's claim was taken back without an answer")
        is_news = after.get("nextAttemptAt") != before.get("nextAttemptAt")
        if new == "ErrorBackoff" and is_news and seconds_of(after["nextAttemptAt"]) + 1.0 < self._asked_to_wait_until:
            self.violated(f"{plural}/{name} does not wait for as long as its model asked")
        if old == "ErrorBackoff" and new == "SendContextWindowToLLM" and now() < seconds_of(before["nextAttemptAt"]):
            self.violated(f"{plural}/{name} was tried again too early")

    def _check_conversation(self, name: str, before: JsonObject, run: JsonObject) -> None:
        after, uid = status_of(run), run["metadata"]["uid"]
        old, new = self._whole(name, before), self._whole(name, after)
        own = max(len(old), copied_count(before, after))
        self._continuations.on_write(run, before, new)
        self._turns.on_write(name, before, after, new[own:])
        counted = after.get("messageCount", before.get("messageCount", len(new)))  # earlier releases counted nothing
        if len(new) != counted:
            self.violated(f"taskruns/{name}: counts {counted} messages and has {len(new)}")
        if new[: len(old)] != old:
            self.violated(f"taskruns/{name}: the conversation was rewritten")
        trouble = trouble_with(new, may_be_open=after.get("phase") not in ("ReadyForLLM", "SendContextWindowToLLM"))
        if trouble:
            self.violated(f"taskruns/{name}: {trouble}")
        for answer in (message for message in new[own:] if message["role"] == "tool"):
            end = self._ends.get((uid, answer["toolCallId"]))
            if end is None:
                self.violated(f"taskruns/{name}: {answer['toolCallId']} was answered before it was over")
            elif str(end.get("result") or end.get("error") or "")[:1_000] not in answer["content"]:
                self.violated(f"taskruns/{name}: the answer to {answer['toolCallId']} is not what its call says")
            elif answer.get("isError", False) != (end.get("phase") != "Succeeded"):
                self.violated(f"taskruns/{name}: the answer to {answer['toolCallId']} does not say how its call ended")

    def _whole(self, name: str, status: JsonObject) -> list[JsonObject]:
        """The conversation of a run, with what is in chunks: each must exist before a status refers to it."""
        window: list[JsonObject] = status.get("contextWindow") or []
        moved: JsonObject = status.get("chunks") or {}
        last: JsonObject | None = moved.get("last")
        while last is not None:
            chunk = self._chunks.get(last["name"])
            if chunk is None or chunk["sha"] != last["sha"]:
                self.violated(f"taskruns/{name}: refers to a chunk that is not there: {last['name']}")
                break
            window = [*chunk["messages"], *window]
            last = chunk.get("previous")
        return window

    def _check_claim(self, name: str, before: JsonObject, run: JsonObject) -> None:
        """A claim on the model names all that its call depends on, and is the only one of its turn."""
        status = status_of(run)
        claim: JsonObject | None = status.get("llm")
        if status.get("phase") != "SendContextWindowToLLM" or claim is None or claim == before.get("llm"):
            return
        old: JsonObject = before.get("llm") or {}
        said = self._whole(name, status)
        if not status.get("pinned") or not status.get("startTime"):
            self.violated(f"taskruns/{name}: claimed before it was pinned")
        if claim["turn"] != status.get("turn", 0):
            self.violated(f"taskruns/{name}: turn {status.get('turn', 0)} was claimed as turn {claim['turn']}")
        own = max(_said(before), copied_count(before, status))
        if any(message["role"] == "assistant" for message in said[own:]) and before:
            self.violated(f"taskruns/{name}: an answer was recorded together with the next claim")
        if old and (old["turn"], old["attempt"]) >= (claim["turn"], claim["attempt"]):
            self.violated(f"taskruns/{name}: an attempt was claimed twice")
        if status.get("pendingTurn"):
            self.violated(f"taskruns/{name}: claimed while tool calls are open")
        if run["spec"].get("cancel"):
            self.violated(f"taskruns/{name}: claimed after it was cancelled")
        self._claimed.setdefault(claim["holder"], []).append((said, status))

    def _note_claims(self, status: JsonObject) -> bool:
        """Count a claim that was not there before; says whether there was one."""
        claim: JsonObject | None = status.get("llm") or status.get("execution")
        if claim is None or (claim["holder"], claim["token"]) in self._claims:
            return False
        self._claims.add((claim["holder"], claim["token"]))
        if "key" in claim:
            self._call_claims[claim["key"], claim["holder"]] += 1
        else:
            self._model_claims[claim["holder"]] += 1
        return True

    # --- side effects

    def on_model_call(self, label: str, messages: Sequence[Message], *, process: str, llm: str) -> None:
        """Look at what a model is sent, and at which one."""
        self._model_calls[process] += 1
        if now() < self._held_until.get((process, llm), 0.0):
            self.violated(f"{label}: called before the end of a Retry-After")
        if self._model_calls[process] > self._model_claims[process]:
            self.violated(f"{label}: called without a claim of its own")
        window = [message.to_wire() for message in messages]
        claimed = [status for said, status in self._claimed.get(process, []) if self._is_claimed(window, said, status)]
        if not claimed:
            self.violated(f"{label}: sent something that its claim has not recorded")
        elif all(llm_of(status) != llm for status in claimed):
            self.violated(f'{label}: sent to LLM "{llm}", which its claim does not name')
        self._fallbacks.on_call(label, messages, llm)
        if trouble := trouble_with(window, may_be_open=False):
            self.violated(f"{label}: {trouble}")

    def on_model_refusal(self, label: str, messages: Sequence[Message], error: LLMError, *, llm: str) -> None:
        """Look at a call that its provider answers with an error."""
        self._fallbacks.on_refusal(label, messages, error, llm)

    def _is_claimed(self, sent: list[JsonObject], said: list[JsonObject], status: JsonObject) -> bool:
        """Whether a request is what a claim is about: a conversation, a shorter form of it, or a summary."""
        if status["llm"].get("summaryThrough") is not None:
            return [message["role"] for message in sent] == ["system", "user"]
        return self._growth.is_shorter(sent, said, status) if is_shortened(status) else sent == said

    def on_model_trouble(self, retry_after_seconds: float | None, *, process: str, llm: str) -> None:
        """Remember for how long a model wants to be left alone; None is as long as one likes.

        A run keeps it in its status; for the other runs of the LLM only the process that was told knows of it.
        """
        self._asked_to_wait_until = now() + (retry_after_seconds or 0.0)
        self._held_until[process, llm] = self._asked_to_wait_until

    def on_execution(self, name: str, key: str, *, process: str, is_unsafe: bool) -> None:
        """Look at a tool call that is carried out.

        Args:
            process: Which manager does it; empty for a container, which nobody carries out himself.
        """
        self._executions[key, process] += 1
        times = sum(count for (used, _), count in self._executions.items() if used == key)
        claims = {holder: count for (claimed, holder), count in self._call_claims.items() if claimed == key}
        if not key:
            self.violated(f"{name}: called without an idempotency key")
        if self._executions[key, process] > (claims.get(process, 0) if process else sum(claims.values())):
            self.violated(f"{name}: called without a claim of its own")
        self._approvals.on_execution(name, key)
        if is_unsafe and times > 1 + self._answers.repeats_allowed(key):
            self.violated(f"{name}: not safe to repeat, called {times} times")

    def on_delivery(self, message: contact.Message, *, is_askable: bool, doubts: int) -> None:
        """Look at a message that arrives at people."""
        self._deliveries.on_delivery(message, is_askable=is_askable, doubts=doubts)

    def look_for_secrets(self, where: str, data: bytes) -> None:
        """No byte of a secret may be where anybody can read it."""
        if any(canary in data for canary in CANARIES):
            self.violated(f"{where} shows a secret")

    # --- the end

    def look_for_left_overs(self, objects: Mapping[str, Iterable[JsonObject]], letters: Mapping[str, Letter]) -> None:
        """Nothing may be held for ever by us, or belong to what is gone; people are told of the end."""
        self._deliveries.look_for_left_overs(letters)
        self._approvals.look_for_left_overs(list(objects["humanrequests"]))
        self._budgets.look_for_left_overs(list(objects["humanrequests"]))
        self._spending.look_for_left_overs(list(objects["budgets"]))
        self.violations.extend(tasks.miscounted(objects))
        uids = {obj["metadata"]["uid"] for found in objects.values() for obj in found}
        for plural, found in objects.items():
            for obj in found:
                meta = obj["metadata"]
                owners: list[JsonObject] = meta.get("ownerReferences", [])
                if owners and all(owner["uid"] not in uids for owner in owners):
                    self.violated(f"{plural}/{meta['name']}: its owner is gone")
                if "deletionTimestamp" in meta and not foreign_finalizers(obj):
                    self.violated(f"{plural}/{meta['name']}: is not let go")

    def violated(self, sentence: str) -> None:
        """Note something that must never be."""
        self.violations.append(sentence)


def _place(obj: JsonObject) -> str:
    return str(status_of(obj).get("phase") or status_of(obj).get("status") or "")


def foreign_finalizers(obj: JsonObject) -> set[str]:
    """Finalizers that neither we nor the garbage collector may ever take away."""
    finalizers: list[str] = obj["metadata"].get("finalizers", [])
    return {one for one in finalizers if "/" in one and not one.startswith(OURS)}


def _owner_uid(obj: JsonObject) -> str:
    owners: list[JsonObject] = obj["metadata"].get("ownerReferences", [])
    return str(owners[0]["uid"]) if owners else ""


def _said(status: JsonObject) -> int:
    moved: JsonObject = status.get("chunks") or {}
    return int(moved.get("messageCount", 0)) + len(status.get("contextWindow") or [])


def _conclusion(status: JsonObject) -> tuple[Any, ...]:
    """What must not change any more once an object is over."""
    return tuple(status.get(name) for name in ("phase", "output", "result", "error", "contextWindow", "completionTime"))


def trouble_with(window: Sequence[JsonObject], *, may_be_open: bool) -> str:
    """What is wrong with a conversation: every call is answered once, in order, before anything else is said.

    Args:
        may_be_open: Whether the last message may be a question to tools that is not answered yet.
    """
    open_ids: list[str] = []
    for message in window:
        if message["role"] == "tool":
            if not open_ids or open_ids[0] != message.get("toolCallId"):
                return f"an answer to {message.get('toolCallId')!r} where {open_ids[:1]} was due"
            open_ids.pop(0)
            continue
        if open_ids:
            return f"{message['role']} speaks before {open_ids} were answered"
        wanted: list[JsonObject] = message.get("toolCalls") or []
        ids: list[str] = [call["id"] for call in wanted]
        if len(set(ids)) != len(ids):
            return "two calls of one turn have the same id"
        open_ids = ids
    return f"{open_ids} are not answered" if open_ids and not may_be_open else ""
