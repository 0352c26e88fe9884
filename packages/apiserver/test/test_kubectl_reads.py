"""What kubectl prints about what is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from packages.apiserver.test.kubectl import Kubectl, a_config_map, a_plane, a_task, needs_kubectl

pytestmark = needs_kubectl

EVENT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "a.1", "namespace": "default"},
    "involvedObject": {"apiVersion": "g.io/v1", "kind": "Task", "name": "a", "namespace": "default"},
    "reason": "Created",
    "message": "made it",
    "type": "Normal",
    "source": {"component": "task-controller"},
    "firstTimestamp": "2020-01-01T00:00:00Z",
    "lastTimestamp": "2020-01-01T00:00:00Z",
    "count": 2,
}


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    async with a_plane(tmp_path) as kubectl:
        kubectl.put("tasks", a_task("a", app="x"), status={"phase": "Done"})
        kubectl.put("tasks", a_task("b"))
        kubectl.put("configmaps", a_config_map("settings", k="v", l="w"))
        yield kubectl


TASKS = "NAME   PHASE\na      Done\nb      \n"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param("get task", TASKS, id="the columns of the kind, and no age"),
        pytest.param("get tk", TASKS, id="by short name"),
        pytest.param("get tasks.v1.g.io", TASKS, id="by full name"),
        pytest.param("get task --chunk-size=1", TASKS, id="in pages"),
        pytest.param("get task --sort-by=.spec.message", TASKS, id="sorted by the client"),
        pytest.param(
            "get task -o wide",
            "NAME   PHASE   MESSAGE\na      Done    say a\nb              say b\n",
            id="wide columns",
        ),
        pytest.param("get task a --no-headers", "a     Done\n", id="without headers"),
        pytest.param(
            "get task -A",
            "NAMESPACE   NAME   PHASE\ndefault     a      Done\ndefault     b      \n",
            id="of all namespaces",
        ),
        pytest.param(
            "get task --show-labels",
            "NAME   PHASE   LABELS\na      Done    app=x\nb              <none>\n",
            id="labels",
        ),
        pytest.param("get task -l app=x -o name", "task.g.io/a\n", id="selected by label"),
        pytest.param("get task -l '!app' -o name", "task.g.io/b\n", id="selected by the absence of a label"),
        pytest.param("get task --field-selector metadata.name=b -o name", "task.g.io/b\n", id="selected by field"),
        pytest.param("get task a -o jsonpath={.spec.message}", "say a", id="a JSONPath"),
        pytest.param("get task -o custom-columns=M:.spec.message", "M\nsay a\nsay b\n", id="columns of one's own"),
        pytest.param("get kubechain -o name", "task.g.io/a\ntask.g.io/b\n", id="by category"),
        pytest.param("get cm", "NAME       DATA   AGE\nsettings   2      0s\n", id="a built-in kind"),
        pytest.param(
            "get task/a cm/settings",
            "NAME          PHASE\ntask.g.io/a   Done\n\n"
            "NAME                 DATA   AGE\nconfigmap/settings   2      0s\n",
            id="two kinds at once",
        ),
        pytest.param("get ns default", "NAME      STATUS   AGE\ndefault   Active   0s\n", id="namespaces"),
        pytest.param("get --raw /readyz", "ok", id="a path of one's own"),
        pytest.param("auth can-i create tasks", "yes\n", id="what one may do"),
        pytest.param("api-resources --categories=kubechain -o name", "tasks.g.io\n", id="resources of a category"),
        pytest.param("wait task/a --for=jsonpath={.status.phase}=Done", "task.g.io/a condition met\n", id="waiting"),
    ],
)
async def test_output(kubectl: Kubectl, command: str, expected: str) -> None:
    result = await kubectl(command)
    assert (result.out, result.err) == (expected, "")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param("get task nope", 'Error from server (NotFound): tasks.g.io "nope" not found', id="no such object"),
        pytest.param("get nope", 'error: the server doesn\'t have a resource type "nope"', id="no such kind"),
        pytest.param("get all", "No resources found in default namespace.", id="kinds that are always empty"),
        pytest.param("get task -n nope", "No resources found in nope namespace.", id="no such namespace"),
        pytest.param("run x --image=y", "Error from server (MethodNotAllowed)", id="pods do not run here"),
        pytest.param("explain task.spec.nope", 'error: field "nope" does not exist', id="no such field"),
        pytest.param(
            "wait task/a --for=condition=Ready --timeout=1s", "error: timed out waiting", id="no such condition"
        ),
    ],
)
async def test_messages(kubectl: Kubectl, command: str, expected: str) -> None:
    result = await kubectl(command)
    assert result.err.startswith(expected)


async def test_describe_shows_the_events_of_the_object(kubectl: Kubectl) -> None:
    uid = (await kubectl("get task a -o jsonpath={.metadata.uid}")).out
    kubectl.put("events", {**EVENT, "involvedObject": {**EVENT["involvedObject"], "uid": uid}})
    described = (await kubectl("describe task a")).out
    assert "Phase:  Done" in described
    (line,) = [line for line in described.splitlines() if "Created" in line and "made it" in line]
    assert line.split()[:2] == ["Normal", "Created"]
    assert "task-controller" in line
    assert (await kubectl("describe task b")).out.split()[-2:] == ["Events:", "<none>"]


async def test_events_are_printed_with_their_object(kubectl: Kubectl) -> None:
    kubectl.put("events", EVENT)
    header, row = (await kubectl("get events")).out.splitlines()
    assert header.split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert row.split()[1:] == ["Normal", "Created", "task/a", "made", "it"]
    newer = await kubectl("get events.events.k8s.io a.1 -o jsonpath={.note}/{.regarding.name}/{.deprecatedCount}")
    assert newer.out == "made it/a/2"
    assert "task-controller" not in (await kubectl("events --for task/b")).out


async def test_explain_prints_descriptions(kubectl: Kubectl) -> None:
    explained = (await kubectl("explain task.spec")).out
    assert explained.startswith("GROUP:      g.io\nKIND:       Task\nVERSION:    v1\n")
    assert "What is wanted." in explained
    assert "message\t<string> -required-" in explained
    recursive = (await kubectl("explain task --recursive")).out
    assert "    tags\t<[]string>" in recursive
    assert "Secret holds secret data of a certain type." in (await kubectl("explain secret")).out


async def test_explain_works_with_the_older_document(kubectl: Kubectl) -> None:
    explained = (await kubectl("explain task.spec --output=plaintext-openapiv2")).out
    assert "message\t<string> -required-" in explained
    assert "What is wanted." in explained


async def test_api_resources_and_versions(kubectl: Kubectl) -> None:
    rows = (await kubectl("api-resources --api-group=g.io")).out.splitlines()
    assert rows[1].split() == ["tasks", "tk", "g.io/v1", "true", "Task"]
    assert "g.io/v1" in (await kubectl("api-versions")).out.splitlines()


async def test_version_and_cluster_info(kubectl: Kubectl) -> None:
    assert "+kubechain" in (await kubectl("version")).out
    assert kubectl.plane.url in (await kubectl("cluster-info")).out
