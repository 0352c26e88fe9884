"""A conversation has to fit into its object beside what the spec holds: what does not ends with its size, unstored."""

from __future__ import annotations

import pytest

from kubechain.api.taskrun import TaskRunPhase
from kubechain.llm.fake import FakeLLMClient, answer
from test.controllers.test_durability import is_over
from test.controllers.world import a_world

LIMIT_BYTES = 1_200_000
ENVELOPE_BYTES = 1_000
"""At most what two messages take beside a long text."""


@pytest.mark.parametrize(
    ("text_bytes", "phase"),
    [
        pytest.param((LIMIT_BYTES - ENVELOPE_BYTES) // 2, TaskRunPhase.FINAL_ANSWER, id="twice its size fits"),
        pytest.param((LIMIT_BYTES + ENVELOPE_BYTES) // 2, TaskRunPhase.FAILED, id="twice its size does not fit"),
    ],
)
async def test_a_continued_conversation_counts_in_the_spec_and_in_the_status(
    text_bytes: int, phase: TaskRunPhase
) -> None:
    earlier = [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": "x" * text_bytes}]
    model = FakeLLMClient(answer("It has none."))
    async with a_world() as world:
        world.replica(model)
        await world.apply_walk_through()
        spec = {"agentRef": {"name": "my-assistant"}, "contextWindow": earlier}
        await world.apply("taskruns", {"metadata": {"name": "long"}, "spec": spec})
        run = await world.until(is_over, "long")
        assert run.status.phase == phase
        if phase == TaskRunPhase.FAILED:
            assert (run.status.error or "").endswith(f"the limit is {LIMIT_BYTES}")
            assert not model.calls
