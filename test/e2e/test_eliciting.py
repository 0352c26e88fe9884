"""MCP servers that ask people, as child processes of a real manager: of both sorts of protocol revision."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from test.e2e.cluster import Namespace
from test.e2e.manifests import a_task, an_agent, an_mcp_server, refs
from test.e2e.model import Ask, Script, asks
from test.e2e.processes import Program
from test.e2e.test_asking import CALL, RUN, tool_answers
from test.e2e.test_deciding import kubechain

SERVERS = Path(__file__).parents[1] / "mcp" / "servers"
SECOND = f"{CALL}-2"
START_SECONDS = 60.0
"""A server that is written with the MCP library takes seconds to start on a loaded machine."""


def a_server(script: str, **spec: Any) -> dict[str, Any]:
    """One of the scripts of the tests of connections."""
    return an_mcp_server("shop", type="stdio", command=sys.executable, args=[str(SERVERS / f"{script}.py")], **spec)


def asked(namespace: Namespace, script: Script, server: dict[str, Any], tool: str, **arguments: str) -> None:
    """A Task whose model calls a tool that asks first."""
    script.answers = [asks(Ask(f"shop__{tool}", arguments)), "Done."]
    namespace.apply(server, an_agent(mcpServers=refs("shop")), a_task())
    namespace.wait(f"hr/{CALL}", "{.status.phase}", "Open", timeout_seconds=START_SECONDS)


def test_two_forms_are_filled_in_one_after_the_other(namespace: Namespace, script: Script) -> None:
    asked(namespace, script, a_server("asking"), "ship", item="a lamp")
    assert "Where shall a lamp go?" in namespace.kubectl("describe", "hr", CALL).out
    kubechain(namespace, "answer", CALL, "--field", "street=Main St")
    namespace.wait(f"hr/{SECOND}", "{.status.phase}", "Open")
    kubechain(namespace, "answer", SECOND, "--field", "sure=true")
    assert tool_answers(namespace.finished(RUN)) == ["a lamp to Main St, express=False, sure=True"]


def test_a_page_is_done_with(namespace: Namespace, script: Script) -> None:
    asked(namespace, script, a_server("asking"), "sign_in")
    assert "a page of login.example.com;" in namespace.kubectl("describe", "hr", CALL).out
    kubechain(namespace, "answer", CALL, "--done")
    assert tool_answers(namespace.finished(RUN)) == ["accept after started"]


def test_an_answer_after_the_manager_and_its_server_were_killed_counts(
    namespace: Namespace, script: Script, manager: Program
) -> None:
    asked(namespace, script, a_server("asking"), "ship", item="a lamp")
    manager.kill()
    kubechain(namespace, "answer", CALL, "--field", "street=Main St")
    manager.start()
    namespace.wait(f"hr/{SECOND}", "{.status.phase}", "Open", timeout_seconds=START_SECONDS)
    kubechain(namespace, "answer", SECOND, "--field", "sure=true")
    assert tool_answers(namespace.finished(RUN)) == ["a lamp to Main St, express=False, sure=True"]


def test_a_server_of_an_older_revision_whose_tools_ask_first(namespace: Namespace, script: Script) -> None:
    asked(namespace, script, a_server("asking_by_requests", asksBeforeActing=True), "paint")
    kubechain(namespace, "answer", CALL, "--field", "color=red")
    namespace.wait(f"hr/{SECOND}", "{.status.phase}", "Open")
    kubechain(namespace, "answer", SECOND, "--field", "sure=true")
    assert tool_answers(namespace.finished(RUN)) == ["painted red: {'sure': True}"]
