"""The builtin tool with which an agent keeps a plan of its work, stored in `TaskRun.status.plan`.

The tool call only validates the plan; the run stores it in the write that records the message of the model, so that a
plan is there before the other calls of the turn are over, and stays when they are cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kubechain.api.message import ToolCall
from kubechain.api.planstep import PlanStep
from kubechain.api.schema import JsonObject
from kubechain.api.taskrun import PinnedTool
from kubechain.tools import arguments

NAME = "update_plan"
ORIGIN = "Builtin"
"""`PinnedTool.kind` of the tool."""
DESCRIPTION = (
    "Keep your plan of this task: send the whole list of steps each time, in the order in which you want to do them. "
    "Make a plan before work of several steps, and update it as you go."
)
PARAMETERS: JsonObject = {
    "type": "object",
    "properties": {
        "steps": {
            "type": "array",
            "maxItems": 128,
            "items": {
                "type": "object",
                "properties": {
                    "step": {"type": "string", "minLength": 1, "maxLength": 4096},
                    "status": {"type": "string", "enum": ["Pending", "InProgress", "Completed"]},
                    "priority": {"type": "string", "enum": ["High", "Medium", "Low"]},
                },
                "required": ["step", "status"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["steps"],
    "additionalProperties": False,
}


def steps_of(given: dict[str, Any]) -> tuple[PlanStep, ...]:
    """The plan in the arguments of a call, which were checked against `PARAMETERS`."""
    return tuple(PlanStep.model_validate(step) for step in given["steps"])


def newest(tools: Iterable[PinnedTool], calls: Sequence[ToolCall]) -> tuple[PlanStep, ...] | None:
    """The last valid plan among the calls of a message; None where there is none.

    Args:
        tools: What was offered: the name of the plan's tool may belong to an object of kind Tool.
    """
    if not any(tool.name == NAME and tool.kind == ORIGIN for tool in tools):
        return None
    plans = [_parsed(call.function.arguments) for call in calls if call.function.name == NAME]
    return next((steps_of(found) for found in reversed(plans) if found is not None), None)


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return arguments.parse(text, PARAMETERS)
    except arguments.InvalidArguments:
        return None


def answer(given: dict[str, Any]) -> str:
    """The result of a call, for the model."""
    steps = steps_of(given)
    done = sum(step.status == "Completed" for step in steps)
    return f"Plan updated: {done} of {len(steps)} steps completed."
