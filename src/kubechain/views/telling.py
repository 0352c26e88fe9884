"""Tells the story of a run from its objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kubechain.api.approval import AskedOfPerson
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.message import Message, ToolCall
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.api.usage import Spending, Usage, total
from kubechain.views import waits, windows
from kubechain.views.gathered import Gathered
from kubechain.views.story import Asked, Call, Entry, Question, Said, Story, Turn


def story_of(gathered: Gathered) -> Story:
    """The story of a run and of the runs below it."""
    run, status = gathered.run, gathered.run.status
    children = {name: story_of(child) for name, child in gathered.children.items()}
    teller = _Teller(gathered, children)
    entries = teller.entries()
    calls = [call for entry in entries if isinstance(entry, Turn) for call in entry.calls]
    open_calls = [wait for call in calls for wait in call.waits]
    spent = total((status.usage or Usage(), Spending(turns=status.turn, tool_calls=status.tool_call_count)))
    return Story(
        namespace=run.metadata.namespace,
        name=run.metadata.name,
        agent=agent_name(run),
        llm=status.pinned.llm_name if status.pinned else "",
        task=run.spec.task_ref.name if run.spec.task_ref else None,
        parent=run.spec.task_run_tool_call_ref.name if run.spec.task_run_tool_call_ref else None,
        continues=run.spec.continue_from.name if run.spec.continue_from else None,
        phase=status.phase,
        detail=status.status_detail,
        error=status.error,
        question=_question(entries) or status.user_msg_preview,
        output=_output(run, entries),
        entries=entries,
        turn_count=status.turn,
        created_at=run.metadata.creation_timestamp,
        started_at=status.start_time,
        ended_at=status.completion_time,
        spent=spent,
        total=total((spent, _below(gathered, children))),
        plan=status.plan,
        asked=_asked(status.budget_requests, gathered),
        waits=waits.of_run(run, open_calls, is_missing_calls=_lacks_calls(gathered)),
        gaps=gathered.gaps,
        questions=_questions(gathered),
    )


def agent_name(run: TaskRun) -> str:
    """The agent of a run: the pinned one once it has begun; empty where only its Task knows."""
    if run.status.pinned is not None:
        return run.status.pinned.agent_name
    return run.spec.agent_ref.name if run.spec.agent_ref is not None else ""


def whole_conversation(gathered: Gathered) -> tuple[Message, ...]:
    """The messages of a run, those of its chunks first; of a run that has not begun, what it will begin with."""
    run = gathered.run
    moved = tuple(message for chunk in gathered.chunks for message in chunk.messages)
    found = (*moved, *run.status.context_window)
    if found:
        return found
    question = run.spec.user_message
    return (*run.spec.context_window, *((Message(role="user", content=question),) if question else ()))


def _output(run: TaskRun, entries: Sequence[Entry]) -> str:
    """The final answer: whole, where the conversation has it."""
    if not run.status.output or not entries or not isinstance(last := entries[-1], Turn):
        return run.status.output
    return last.text or run.status.output


def _question(entries: Sequence[Entry]) -> str:
    asked = [entry.text for entry in entries if isinstance(entry, Said) and entry.role == "user"]
    own = [entry.text for entry in entries if isinstance(entry, Said) and entry.role == "user" and not entry.is_earlier]
    return own[0] if own else asked[-1] if asked else ""


def _below(gathered: Gathered, children: Mapping[str, Story]) -> Usage:
    """What the runs below have spent, as far as it is known: finished ones by the record, others by themselves."""
    parts = list[Usage]()
    for call in gathered.calls:
        child = children.get(call.metadata.name)
        if child is not None:
            parts.append(child.total)
        elif call.status.spent is not None:
            parts.append(call.status.spent)
    seen, recorded = total(parts), gathered.run.status.sub_agent_usage
    return recorded if recorded is not None and recorded.total_tokens > seen.total_tokens else seen


def _lacks_calls(gathered: Gathered) -> bool:
    known = {call.spec.tool_call_id for call in gathered.calls}
    return any(pending.tool_call_id not in known for pending in gathered.run.status.pending_turn)


def _asked(questions: Iterable[AskedOfPerson], gathered: Gathered) -> tuple[Asked, ...]:
    since = {each.metadata.name: each.metadata.creation_timestamp for each in gathered.requests}
    return tuple(
        Asked(
            each.request_name, each.choice, each.by, each.identity, each.comment, each.at, since.get(each.request_name)
        )
        for each in questions
    )


def _questions(gathered: Gathered) -> tuple[Question, ...]:
    found = [each for each in gathered.requests if not is_decided(each)]
    found.sort(key=lambda each: (str(each.metadata.creation_timestamp), each.metadata.name))
    return tuple(Question(each.metadata.name, each.spec.request, each.metadata.creation_timestamp) for each in found)


def is_decided(request: HumanRequest) -> bool:
    """Whether nobody waits for a decision: there is one, or the request is over."""
    return request.spec.decision is not None or request.status.is_over


@dataclass(frozen=True, slots=True)
class _Teller:
    """Finds the call of each message.

    Attributes:
        children: Stories of the runs that answer calls, by the name of the call.
    """

    gathered: Gathered
    children: Mapping[str, Story]

    def entries(self) -> tuple[Entry, ...]:
        """The messages in order, the calls with the answer that asked for them."""
        messages = whole_conversation(self.gathered)
        results = {each.tool_call_id: each for each in messages if each.role == "tool" and each.tool_call_id}
        objects = {call.spec.tool_call_id: call for call in self.gathered.calls}
        earlier, found, number = windows.earlier_count(self.gathered.run, messages), list[Entry](), 0
        for index, message in enumerate(messages):
            is_earlier = index < earlier
            if message.role == "assistant":
                number += not is_earlier
                known: Mapping[str, TaskRunToolCall] = {} if is_earlier else objects
                calls = tuple(self._call(each, known.get(each.id), results.get(each.id)) for each in message.tool_calls)
                found.append(Turn(0, message.content, calls) if is_earlier else self._turn(number, message, calls))
            elif message.role != "tool":
                found.append(Said(message.role, message.content, is_earlier))
        return (*self._unmentioned(messages), *found)

    def _turn(self, number: int, message: Message, calls: tuple[Call, ...]) -> Turn:
        status = self.gathered.run.status
        record = next((each for each in status.turn_records if each.turn == number), None)
        by = next((each.llm_name for each in status.answered_by if each.first_turn < number <= each.last_turn + 1), "")
        llm = by if status.pinned is not None and by != status.pinned.llm_name else ""
        if record is None:
            return Turn(number, message.content, calls, llm)
        spent = Usage(
            input_tokens=record.input_tokens,
            output_tokens=record.output_tokens,
            total_tokens=record.input_tokens + record.output_tokens,
            model_calls=1,
            cost=record.cost,
        )
        return Turn(number, message.content, calls, llm, record.started_at, record.ended_at, spent)

    def _unmentioned(self, messages: Sequence[Message]) -> tuple[Turn, ...]:
        """Calls that no message asks for: their messages cannot be read, or are not kept."""
        asked = {call.id for message in messages for call in message.tool_calls}
        lost = [call for call in self.gathered.calls if call.spec.tool_call_id not in asked]
        lost.sort(key=lambda call: (str(call.metadata.creation_timestamp), call.metadata.name))
        if not lost:
            return ()
        return (Turn(0, "", tuple(self._call(None, call, None) for call in lost)),)

    def _call(self, asked: ToolCall | None, call: TaskRunToolCall | None, answer: Message | None) -> Call:
        """A call, from the message that asks for it, its object and the message that answers it: what there is."""
        if call is None:
            assert asked is not None
            result, is_error = (answer.content, answer.is_error) if answer is not None else (None, False)
            return Call(asked.id, "", asked.function.name, asked.function.arguments, result=result, is_error=is_error)
        child, status, question = self.children.get(call.metadata.name), call.status, call.status.open_question
        request = self.gathered.request(question.request_name) if question is not None else None
        return Call(
            id=call.spec.tool_call_id,
            name=call.metadata.name,
            tool=call.spec.tool_ref.name,
            arguments=call.spec.arguments,
            type=call.spec.tool_type,
            phase=status.phase,
            detail=status.status_detail,
            result=_result(call, answer),
            is_error=bool(answer and answer.is_error) or bool(status.error),
            started_at=status.start_time,
            ended_at=status.completion_time,
            asked=_asked(status.questions, self.gathered),
            child=child,
            waits=waits.of_call(call, request, child.waits if child is not None else ()),
        )


def _result(call: TaskRunToolCall, answer: Message | None) -> str | None:
    """The whole result where the object has it, else what the model reads."""
    if call.status.result is not None:
        return call.status.result
    return answer.content if answer is not None else call.status.error
