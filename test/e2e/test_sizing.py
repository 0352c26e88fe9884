"""The sizes of docs/guides/sizing.md are those of what the manager writes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from test.e2e import guides
from test.e2e.cluster import Namespace
from test.e2e.manifests import API_VERSION, a_builtin, a_task, an_agent, refs
from test.e2e.model import Ask, Script, asks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "sizing.md"
GROUP = f"/apis/{API_VERSION}"
TITLE = "What a run leaves in etcd"

SAID: Mapping[str, int] = {
    name: int(number.replace(",", ""))
    for name, number in re.findall(r"^\| (.+?) \| ([\d,]+) \|$", guides.section(PAGE, TITLE), re.MULTILINE)
}
"""What the page says of each object."""

PATHS: Mapping[str, str] = {
    "TaskRun, one turn": f"{GROUP}/namespaces/{{}}/taskruns/hello-world-task-1",
    "TaskRun, two turns with a call": f"{GROUP}/namespaces/{{}}/taskruns/sum-1",
    "TaskRunToolCall": f"{GROUP}/namespaces/{{}}/taskruntoolcalls/sum-1-t0-c0",
    "HumanRequest, decided": f"{GROUP}/namespaces/{{}}/humanrequests/asked-1-t0-c0",
    "Task": f"{GROUP}/namespaces/{{}}/tasks/hello-world-task",
}


@pytest.fixture
def worked(namespace: Namespace, script: Script) -> Namespace:
    """A namespace in which three runs are over: one answered, one called a tool, one asked a person."""
    call = asks(Ask("add", {"a": 2, "b": 3}))
    namespace.apply(an_agent(), a_builtin(), an_agent("calculator", tools=refs("add")), a_task())
    namespace.finished("hello-world-task-1")
    script.answers = [call, "2 + 3 is 5."]
    namespace.apply(a_task("sum", agent="calculator", message="What is 2 + 3?"))
    namespace.finished("sum-1")
    script.answers = [call, "2 + 3 is 5."]
    namespace.apply(a_builtin(requiresApproval=True), a_task("asked", agent="calculator", message="What is 2 + 3?"))
    namespace.wait("hr/asked-1-t0-c0", "{.status.phase}", "Open")
    digest = namespace.get("hr", "asked-1-t0-c0")["spec"]["request"]["digest"]
    patch = json.dumps({"spec": {"decision": {"choice": "Approve", "digest": digest, "by": "ann"}}})
    namespace.kubectl("patch", "hr", "asked-1-t0-c0", "--type=merge", "--patch", patch)
    namespace.finished("asked-1")
    return namespace


def test_each_object_is_as_large_as_the_page_says(worked: Namespace) -> None:
    worked.kubectl("wait", "--for=condition=Finished", "task", "--all", "--timeout=60s")
    worked.kubectl("wait", "--for=condition=Decided", "hr/asked-1-t0-c0", "--timeout=60s")
    found = {name: len(worked.kubectl("get", "--raw", path.format(worked.name)).out) for name, path in PATHS.items()}
    events = json.loads(worked.kubectl("get", "--raw", f"/api/v1/namespaces/{worked.name}/events").out)["items"]
    about = [one for one in events if one["involvedObject"]["kind"] == "TaskRun"]
    found["Event, as JSON"] = sum(len(json.dumps(one, separators=(",", ":"))) for one in about) // len(about)
    assert found.keys() == SAID.keys()
    assert {name: f"{size} bytes" for name, size in found.items() if not 0.9 < size / SAID[name] < 1.1} == {}
