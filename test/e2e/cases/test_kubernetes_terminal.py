"""What foreign bytes do to the terminal of whoever looks: nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from test.e2e.cases.rows import case
from test.e2e.cluster import Namespace
from test.e2e.manifests import a_secret, a_task, an_agent, an_llm, an_mcp_server, refs
from test.e2e.model import Ask, MockModel, asks

SERVER = Path(__file__).parents[2] / "mcp" / "servers" / "odd.py"
DANGEROUS = ("\a", "\x1b", "\u202e", "\x9b")


def drives_a_terminal(text: str) -> bool:
    return any(sign in text or sign.encode("unicode_escape").decode() in text for sign in DANGEROUS)


@case(
    "foreign bytes on a terminal",
    {"BEL, U+202E and escapes in names, descriptions, results and answers": "safe\a \u202e\x1b]0;owned\a\x1b[31mred"},
)
def test_nothing_that_drives_a_terminal_is_shown(namespace: Namespace, model: MockModel, given: str) -> None:
    model[namespace.name].answers = [asks(Ask("odd__terminal", {})), given]
    namespace.apply(
        a_secret(),
        an_llm(base_url=model.base_url, model=namespace.name),
        an_mcp_server("odd", type="stdio", command=sys.executable, args=[str(SERVER)]),
        an_agent(mcpServers=refs("odd")),
        a_task(message=given),
    )
    status = namespace.finished("hello-world-task-1")["status"]
    assert (status["output"], status["userMsgPreview"]) == ("safe red", "safe ]0;owned [31mred")
    assert namespace.get("taskruntoolcall", "hello-world-task-1-t0-c0")["status"]["result"] == "a b red"
    tools = {tool["name"]: tool for tool in namespace.get("mcpserver", "odd")["status"]["tools"]}
    assert tools["foreign"]["description"] == "A red bell, turned."
    shown = namespace.kubectl("get", "mcpserver,taskrun,taskruntoolcall", "-o", "wide").out
    shown += namespace.kubectl("get", "mcpserver", "odd", "-o", "yaml").out
    shown += namespace.kubectl("get", "events").out
    assert not drives_a_terminal(shown.replace(str(SERVER), ""))
