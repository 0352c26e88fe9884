"""The plan that an agent keeps of its work."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kubechain.api.meta import KubeModel
from kubechain.api.schema import Schema


class PlanStep(KubeModel):
    """One step of the plan that the agent keeps."""

    step: Annotated[str, Schema(max_length=4096)] = Field(description="What is to be done.")
    status: Literal["Pending", "InProgress", "Completed"] = Field(description="Progress of the step.")
    priority: Literal["High", "Medium", "Low"] | None = Field(default=None, description="Priority of the step.")
