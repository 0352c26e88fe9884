"""Step 5 of the walk-through with servers that people use: `mcp-server-fetch` and `mcp-server-time`.

The manager of the tests fetches them with the real `uvx` where a package registry is in reach; elsewhere a stand-in
starts the pinned, installed program of that name. `cases/test_mcp.py` has the same with a cold cache.
"""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from test.e2e.cluster import Namespace
from test.e2e.manifests import a_secret, a_task, an_agent, an_llm, an_mcp_server, refs
from test.e2e.model import Ask, MockModel, asks
from test.e2e.servers.endpoint import Endpoint

SAMPLE = Path(__file__).resolve().parents[2] / "config" / "samples" / "mcpserver.yaml"


def test_the_agent_fetches_a_page(namespace: Namespace, model: MockModel) -> None:
    script = model[namespace.name]
    sample = yaml.safe_load(SAMPLE.read_text())
    assert (sample["spec"]["command"], sample["spec"]["args"]) == ("uvx", ["mcp-server-fetch"])
    # The server refuses loopback addresses unless it is told otherwise; the page of this test is on one.
    sample["spec"]["args"] += ["--allow-private-ips"]
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), an_agent())
    namespace.wait("agent/my-assistant", "{.status.ready}", "true")
    namespace.apply(sample)
    namespace.wait("mcpserver/fetch", "{.status.connected}", "true")
    namespace.wait_for_event(
        "MCPServer", "fetch", ("Normal", "ToolsDiscovered", "Discovered 1 tool(s)", "mcp-controller")
    )
    [tool] = namespace.get("mcpserver", "fetch")["status"]["tools"]
    assert tool["name"] == "fetch"
    assert "url" in tool["inputSchema"]["required"]
    namespace.apply(an_agent(mcpServers=refs("fetch")))
    with Endpoint() as endpoint:
        script.answers = [asks(Ask("fetch__fetch", {"url": endpoint.url("/page")})), "There is none."]
        # The agent's own news may come after the Task; the run waits for what the Agent says now.
        namespace.wait("agent/my-assistant", "{.status.validMCPServers[0].name}", "fetch")
        namespace.apply(a_task("fetch-task"))
        run = namespace.finished("fetch-task-1")
    answer = run["status"]["contextWindow"][-2]["content"]
    assert "No capital here." in answer
    assert run["status"]["output"] == "There is none."


def test_the_agent_tells_the_time(namespace: Namespace, model: MockModel) -> None:
    script = model[namespace.name]
    script.answers = [
        asks(
            Ask("clock__get_current_time", {"timezone": "Asia/Tokyo"}),
            Ask("clock__convert_time", {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}),
        ),
        "Late.",
    ]
    namespace.apply(
        a_secret(),
        an_llm(base_url=model.base_url, model=namespace.name),
        an_mcp_server("clock", type="stdio", command="uvx", args=["mcp-server-time", "--local-timezone=UTC"]),
        an_agent(mcpServers=refs("clock")),
        a_task("time-task"),
    )
    window = namespace.finished("time-task-1")["status"]["contextWindow"]
    now, converted = (json.loads(message["content"]) for message in window if message["role"] == "tool")
    assert now["timezone"] == "Asia/Tokyo"
    assert "T21:00" in converted["target"]["datetime"]
