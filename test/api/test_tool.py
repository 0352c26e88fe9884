"""Which specs say that a person must approve each call."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.mcpserver import MCPServerSpec
from kubechain.api.tool import ToolSpec

CASES = [
    pytest.param({}, False, id="nothing is said"),
    pytest.param({"requiresApproval": False}, False, id="it is denied"),
    pytest.param({"requiresApproval": True}, True, id="it is required"),
    pytest.param({"approvalContactChannel": {"name": "ops"}}, True, id="a channel is named"),
    pytest.param({"approvalContactChannel": {"name": "ops"}, "requiresApproval": False}, True, id="a channel wins"),
]


@pytest.mark.parametrize(("spec", "expected"), CASES)
def test_a_tool_says_that_its_calls_need_approval(spec: dict[str, Any], expected: bool) -> None:
    assert ToolSpec.from_wire(spec).names_approval is expected


@pytest.mark.parametrize(("spec", "expected"), CASES)
def test_a_server_says_that_calls_of_its_tools_need_approval(spec: dict[str, Any], expected: bool) -> None:
    assert MCPServerSpec.from_wire(spec).needs_approval is expected
