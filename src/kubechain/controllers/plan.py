"""The builtin tool with which an agent keeps a plan of its work, stored in `TaskRun.status.plan`.

The tool call only validates the plan; the run stores it in the write that appends the results of the turn, so that plan
and conversation agree at any time.
"""

from __future__ import annotations

from typing import Any

from kubechain.api.schema import JsonObject
from kubechain.api.taskrun import PlanStep

NAME = "update_plan"
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


def steps_of(arguments: dict[str, Any]) -> tuple[PlanStep, ...]:
    """The plan in the arguments of a call, which were checked against `PARAMETERS`."""
    return tuple(PlanStep.model_validate(step) for step in arguments["steps"])


def answer(arguments: dict[str, Any]) -> str:
    """The result of a call, for the model."""
    steps = steps_of(arguments)
    done = sum(step.status == "Completed" for step in steps)
    return f"Plan updated: {done} of {len(steps)} steps completed."
