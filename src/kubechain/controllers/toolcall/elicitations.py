"""A call whose MCP server asks people for something before it carries the call out: forms and addresses. Pure.

Everything that the next process needs is in the status before anybody is asked: what is asked, and what the server
wants back. A reply that the form does not take is no reply: a person is asked again, and reads why.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from kubechain.api import reasons
from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import Decision, HumanRequest, HumanRequestType
from kubechain.api.schema import JsonObject
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import Elicitation, ElicitedItem, HumanInput, TaskRunToolCall
from kubechain.controllers import decisions
from kubechain.controllers.frame import Settled, normal
from kubechain.controllers.inquiries import Inquiry, request_for
from kubechain.controllers.toolcall import approvals, asking, inputs, verdicts
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.steps import Proceed, Reject
from kubechain.mcp.elicitation import host_of, with_defaults
from kubechain.net.foreign import cut, harmless
from kubechain.tools import arguments as tool_arguments
from kubechain.tools.model import InvalidArguments, InvalidSchema

ROUNDS_MAX = 16
"""How many times a server may ask during one call; one that asks for ever would keep people busy for ever."""

TOO_MANY = f"the MCP server asked for input more than {ROUNDS_MAX} times"
UNANSWERED = "nobody answered what the MCP server asked in time: the request expired at {}"
ANOTHER_QUESTION = "what was answered is not what the MCP server asked"

PROBLEM_MAX_CHARACTERS = 512

_CHOICES = {
    HumanRequestType.FORM: (DecisionChoice.ANSWER, DecisionChoice.REJECT),
    HumanRequestType.URL: (DecisionChoice.DONE, DecisionChoice.REJECT),
}


def counted(call: TaskRunToolCall, asked: Elicitation) -> Elicitation:
    """What the server asks for now, numbered after what it asked for before in this call."""
    before, execution = call.status.elicitation, call.status.execution
    rounds = 1 if before is None else before.rounds + 1
    return asked.with_changes(rounds=rounds, attempt=execution.attempt if execution is not None else 0)


def recorded(call: TaskRunToolCall, run: TaskRun, elicitation: Elicitation, now: datetime) -> Settled:
    """T1: a person is asked for the first thing without a reply; with none, the call goes again."""
    kept = Settled({"elicitation": elicitation})
    index = elicitation.open_index
    if index is None:
        told = call.status.input
        text = "The MCP server wants the call again" if told is None or told.choice is None else _told(told)
        status = verdicts.to_be_made_again(text)
        return Settled(status, (normal(reasons.ANSWERED, text),)).then(kept)
    inquiry = _inquiry(call, run, elicitation.items[index], inputs.next_name(call))
    return verdicts.asked(call, inputs.asked(call, inquiry, now), now).then(kept)


def proceeded(call: TaskRunToolCall, run: TaskRun, step: Proceed, now: datetime) -> Settled:
    """T3: the reply is recorded, with the next question, or with the call to be made again."""
    decided = call.with_changes(status=call.status.with_changes(input=step.input))
    return Settled({"input": step.input}).then(recorded(decided, run, step.elicitation, now))


@dataclass(frozen=True, slots=True)
class ElicitationWait:
    """A call that waits for a person to reply to its MCP server.

    Attributes:
        index: Of the item that is asked for.
    """

    observed: Observed
    run: TaskRun
    asked: HumanInput
    elicitation: Elicitation
    index: int

    def inquiry(self) -> Inquiry:
        """What the server asks."""
        return _inquiry(self.observed.call, self.run, self._item, self.asked.request_name)

    def request(self) -> HumanRequest:
        """Ask it."""
        return request_for(self.observed.call, self.run, self.asked, self.inquiry())

    def judged(self, decision: Decision) -> Proceed | Reject:
        """T3: the server gets the reply; a reply that its form does not take is asked for again."""
        judge = self.observed.approval.judge
        decided = judge.recorded(self.asked, decision, self.observed.now)
        if flaw := judge.flaw(self.asked, decision, ANOTHER_QUESTION):
            return Reject(flaw, decided)
        return Proceed(decided, self.elicitation.with_item(self.index, **self._reply(decision)))

    def expired(self) -> Reject:
        """The model reads that nobody answered."""
        return Reject(UNANSWERED.format(decisions.end_of(self.asked)))

    def _reply(self, decision: Decision) -> dict[str, str | None]:
        if decision.choice == DecisionChoice.REJECT:
            return {"action": "decline", "problem": None}
        if self._item.schema_ is None:
            return {"action": "accept", "problem": None}
        try:
            fields = filled_in(self._item.schema_, decision.answer or "")
        except (InvalidArguments, InvalidSchema) as error:
            return {"problem": cut(harmless(str(error)), PROBLEM_MAX_CHARACTERS)}
        return {"action": "accept", "content": json.dumps(fields), "problem": None}

    @property
    def _item(self) -> ElicitedItem:
        return self.elicitation.items[self.index]


def filled_in(schema: JsonObject, answer: str) -> JsonObject:
    """The fields of a form as a person filled them in, with the server's defaults for those that they left out.

    Raises:
        InvalidArguments: The form does not take them.
    """
    fields = with_defaults(schema, tool_arguments.parse(answer, None))
    return tool_arguments.parse(json.dumps(fields), {**schema, "additionalProperties": False})


def _told(told: HumanInput) -> str:
    return f"{told.choice} by {decisions.author(told)}: the call goes to the MCP server again"


def _inquiry(call: TaskRunToolCall, run: TaskRun, item: ElicitedItem, name: str) -> Inquiry:
    kind = HumanRequestType.FORM if item.url is None else HumanRequestType.URL
    tool = call.spec.tool_ref.name
    return Inquiry(
        type=kind,
        subject=asking.subject(run, tool),
        message=_message(call, run, item, name),
        choices=_CHOICES[kind],
        essence=item.message,
        tool=tool,
        arguments=approvals.arguments_of(call),
        schema=item.schema_ if item.url is None else None,
        url=item.url,
    )


def _message(call: TaskRunToolCall, run: TaskRun, item: ElicitedItem, name: str) -> str:
    """What a person reads: who asks, the server's own words, and what to type."""
    about = asking.subject(run, call.spec.tool_ref.name)
    command = f"kubechain answer {name} -n {call.metadata.namespace}"
    return "\n".join(
        (
            f"The MCP server {about.name} asks, before it carries out the call of {call.spec.tool_ref.name} in TaskRun "
            f"{run.metadata.name}, in its own words:",
            item.message,
            *((f"The last answer was not taken: {item.problem}",) if item.problem else ()),
            *(_of_form(command) if item.url is None else _of_url(item.url, command)),
            f"  {command} --reject",
        )
    )


def _of_form(command: str) -> tuple[str, ...]:
    return (
        "Answer: the server gets the fields of the form. Reject: the server is told that a person declined.",
        f"  {command} --field NAME=VALUE",
    )


def _of_url(url: str, command: str) -> tuple[str, ...]:
    return (
        f"It wants a person to open a page of {host_of(url)}; open it only if you trust that host: {url}",
        "Done: the page is done with, and the call goes again. Reject: the server is told that a person declined.",
        f"  {command} --done",
    )
