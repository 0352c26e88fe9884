"""Three hundred turns and nine megabytes with a model of a small window: the run goes on, and nothing is lost."""

from __future__ import annotations

from kubechain.api.context import AgentContext, ContextPolicy
from kubechain.api.contextchunk import ContextChunk
from kubechain.api.llm import LLMParameters
from kubechain.api.message import Message
from kubechain.api.taskrun import Pinned, TaskRun, TaskRunPhase
from kubechain.api.taskruntoolcall import ToolCallPhase
from kubechain.api.usage import Usage
from kubechain.controllers.frame import next_version
from kubechain.controllers.taskrun import (
    chunkreading,
    chunks,
    contextsize,
    conversation,
    rendering,
    settle,
    summarising,
)
from kubechain.controllers.taskrun.chunkreading import Reader
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.decide import decide
from kubechain.controllers.taskrun.effects import tool_call
from kubechain.controllers.taskrun.excerpts import Excerpt
from kubechain.controllers.taskrun.outcomes import Answered, Refused
from kubechain.controllers.taskrun.steps import AnswerToolCalls, SendToLLM, Summarise
from kubechain.llm.client import Completion
from test.controllers.builders import NOW, a_call, a_claim, a_run, an_llm, messages, observed
from test.controllers.taskrun.test_growth import trouble

TURNS = 300
WINDOW_TOKENS = 32_000
OBJECT_BYTES = 900 * 1024
SIZES = (400, 1_000_000, 30_000, 5_000)
"""Of tool results; the largest are truncated at entry."""


class Story:
    """One run on an API server that is a few variables."""

    def __init__(self) -> None:
        pinned = Pinned(
            agent_name="my-assistant", llm_name="gpt-4o", context=AgentContext(policy=ContextPolicy.SUMMARISE)
        )
        self.run = a_run(phase=TaskRunPhase.READY_FOR_LLM, pinned=pinned)
        self.said: list[Message] = list(messages("You are helpful.", "What is the capital of the moon?"))
        self.made: dict[str, ContextChunk] = {}
        self.sizes: list[int] = []
        self.requests: list[int] = []
        self.reads: list[int] = []
        self.summaries = 0
        self.refusals = 0

    def write(self, run: TaskRun) -> None:
        """Write a status, its older messages in chunks."""
        before = self.run.status.chunks
        moved = chunks.moved(run, Transcript.of(run), self.made[before.last.name].spec if before else None)
        for chunk in moved.chunks if moved else ():
            self.made[chunk.metadata.name] = chunk
            self.sizes.append(len(chunk.to_json()))
        self.run = run.with_status(**moved.rest.status()) if moved else run
        self.sizes.append(len(self.run.to_json()))

    def read(self, reader: Reader) -> Excerpt:
        """Give a reader the chunks that it wants, and count them."""
        count, spec = 0, None
        try:
            while True:
                wanted = reader.send(spec) if spec else next(reader)
                count, spec = count + 1, self.made[wanted.reference.name].spec
        except StopIteration as end:
            self.reads.append(count)
            return end.value

    def earlier(self) -> Excerpt:
        """What a request needs of the messages in chunks."""
        return self.read(chunkreading.needed(self.run))

    def ask(self) -> None:
        """Ask the model, with whatever has to be done before."""
        llm = an_llm(parameters=LLMParameters(context_window=WINDOW_TOKENS))
        while self.run.status.phase != TaskRunPhase.TOOL_CALLS_PENDING:
            step = decide(observed(self.run, llm=llm, earlier=self.earlier(), budgets=()))
            claim = a_claim(run=self.run, turn=self.run.status.turn)
            if isinstance(step, Summarise):
                self.write(self.run)
                self.write(next_version(self.run, summarising.claimed(self.run, claim)))
                question = summarising.request(self.run, self.earlier(), step)
                assert contextsize.size_bytes(question) // 4 <= WINDOW_TOKENS
                done = Answered(completion("They read much. " * 40, question))
                self.write(next_version(self.run, summarising.outcome(self.run, done, step, jitter=0.5, now=NOW)))
                self.summaries += 1
                continue
            assert isinstance(step, SendToLLM)
            self.write(next_version(self.run, settle.claimed(self.run, claim, context=step.context)))
            self.answer()

    def answer(self) -> None:
        """Be the model."""
        sent = rendering.request(self.run, self.earlier())
        assert not trouble(sent)
        assert sent[1] == self.said[1]
        if contextsize.size_bytes(sent) // 4 > WINDOW_TOKENS:
            self.refusals += 1
            refused = Refused("ModelWindowExceeded", "too long", is_too_long=True)
            settled = settle.outcome(self.run, refused, jitter=0.5, is_agent_gone=False, now=NOW)
        else:
            self.requests.append(contextsize.size_bytes(sent))
            settled = settle.answered(self.run, completion("", sent, f"c{self.run.status.turn}"), NOW)
        self.write(next_version(self.run, settled))

    def call_tool(self, size: int) -> None:
        """Answer the open call with so many bytes, truncated as they enter the conversation."""
        [pending] = self.run.status.pending_turn
        call = tool_call(self.run, pending).with_status(phase=ToolCallPhase.SUCCEEDED, result="x" * size)
        result = conversation.tool_message(call, pending.name)
        asked = Transcript.of(self.run).messages[-1]
        # Written together with the claim that follows, but before a summary.
        self.run = next_version(self.run, settle.tools_answered(self.run, AnswerToolCalls((result,))))
        self.said += [asked, result]


def completion(text: str, sent: list[Message], call_id: str = "") -> Completion:
    """An answer, with the tokens that were sent."""
    tokens = contextsize.size_bytes(sent) // 4
    message = Message(role="assistant", content=text, tool_calls=(a_call("read", call_id=call_id),) if call_id else ())
    return Completion(message, Usage(input_tokens=tokens, output_tokens=10, model_calls=1), "stop", "gpt-4o")


def test_three_hundred_turns_go_on_in_a_small_window_and_nothing_of_them_is_lost() -> None:
    story = Story()
    for turn in range(TURNS):
        story.ask()
        story.call_tool(SIZES[turn % len(SIZES)] if turn % 7 else 1_000_000)
    size = contextsize.size_bytes(story.said)
    assert size > 9_000_000
    assert max(story.sizes) < OBJECT_BYTES
    assert sum(story.sizes) <= 3 * size
    everything = story.read(chunkreading.everything(story.run))
    assert Transcript.of(story.run).after(everything).messages == tuple(story.said)
    assert story.run.status.message_count == len(story.said) == 2 + 2 * TURNS
    assert story.summaries > 10
    assert story.refusals == 0, "the window is known: nothing is sent that is too long"
    assert max(story.requests) // 4 <= WINDOW_TOKENS
    made = len(story.made)
    assert made > 100
    assert max(story.reads[:-1]) < 10 < story.reads[-1] == made, "chunks for a request, and for a reader of all of it"
