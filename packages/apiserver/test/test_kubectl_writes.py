"""How kubectl changes things."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from packages.apiserver.test.kubectl import Kubectl, a_config_map, a_plane, a_task, needs_kubectl

pytestmark = needs_kubectl

SETTINGS = yaml.safe_dump(a_config_map("settings", k="v", l="w"))
CHANGED = yaml.safe_dump(a_config_map("settings", k="v", m="x"))
TASK = yaml.safe_dump(a_task("a"))


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    async with a_plane(tmp_path) as kubectl:
        yield kubectl


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("create secret generic s --from-literal=k=v", "secret/s created\n"),
        ("create configmap c --from-literal=k=v", "configmap/c created\n"),
        ("create serviceaccount x", "serviceaccount/x created\n"),
        ("create namespace n", "namespace/n created\n"),
        ("label task a k=v", "task.g.io/a labeled\n"),
        ("annotate task --all k=v", "task.g.io/a annotated\n"),
        ("delete task a", 'task.g.io "a" deleted from default namespace\n'),
        ("delete task --all --cascade=foreground", 'task.g.io "a" deleted from default namespace\n'),
        ("delete task nope --ignore-not-found", ""),
        ("delete task a --dry-run=server", 'task.g.io "a" deleted (server dry run) from default namespace\n'),
        ("delete crd tasks.g.io", 'customresourcedefinition.apiextensions.k8s.io "tasks.g.io" deleted\n'),
        ("delete ns mine --timeout=10s", 'namespace "mine" deleted\n'),
    ],
)
async def test_commands(kubectl: Kubectl, command: str, expected: str) -> None:
    kubectl.put("tasks", a_task("a"))
    kubectl.put("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}})
    result = await kubectl(command)
    # Newer clients add where something was deleted from.
    assert (result.out, result.err) in [(expected, ""), (expected.replace(" from default namespace", ""), "")]


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        pytest.param('--type=merge -p \'{"spec":{"count":3}}\'', "3", id="a merge patch"),
        pytest.param(
            '--type=json -p \'[{"op":"add","path":"/spec/count","value":4}]\'', "4", id="a list of operations"
        ),
    ],
)
async def test_patches(kubectl: Kubectl, patch: str, expected: str) -> None:
    kubectl.put("tasks", a_task("a"))
    assert (await kubectl(f"patch task a {patch}")).out == "task.g.io/a patched\n"
    assert (await kubectl("get task a -o jsonpath={.spec.count}")).out == expected


async def test_a_strategic_patch_is_for_built_in_kinds(kubectl: Kubectl) -> None:
    kubectl.put("tasks", a_task("a"))
    kubectl.put("configmaps", a_config_map("settings", k="v"))
    assert (await kubectl('patch cm settings -p \'{"data":{"l":"w"}}\'')).out == "configmap/settings patched\n"
    refused = await kubectl('patch task a -p \'{"spec":{"count":3}}\'')
    assert refused.err.startswith(
        "error: application/strategic-merge-patch+json is not supported by g.io/v1, Kind=Task"
    )


async def test_apply_creates_then_merges_three_ways(kubectl: Kubectl) -> None:
    assert (await kubectl("apply -f -", stdin=SETTINGS)).out == "configmap/settings created\n"
    assert (await kubectl("apply -f -", stdin=SETTINGS)).out == "configmap/settings unchanged\n"
    await kubectl('patch cm settings -p \'{"data":{"theirs":"1"}}\'')
    assert (await kubectl("apply -f -", stdin=CHANGED)).out == "configmap/settings configured\n"
    data = (await kubectl("get cm settings -o jsonpath={.data}")).out
    assert data == '{"k":"v","m":"x","theirs":"1"}'


async def test_apply_to_a_custom_kind(kubectl: Kubectl) -> None:
    assert (await kubectl("apply -f -", stdin=TASK)).out == "task.g.io/a created\n"
    changed = TASK.replace("say a", "shout a")
    assert (await kubectl("apply -f -", stdin=changed)).out == "task.g.io/a configured\n"
    assert (await kubectl("get task a -o jsonpath={.spec.message}/{.metadata.generation}")).out == "shout a/2"


async def test_apply_on_the_server(kubectl: Kubectl) -> None:
    mine, theirs = yaml.safe_dump(a_config_map("c", k="mine")), yaml.safe_dump(a_config_map("c", k="theirs"))
    applied = "configmap/c serverside-applied\n"
    assert (await kubectl("apply --server-side --field-manager=me -f -", stdin=mine)).out == applied
    conflict = await kubectl("apply --server-side --field-manager=other -f -", stdin=theirs)
    assert conflict.err.startswith('error: Apply failed with 1 conflict: conflict with "me": .data.k')
    forced = await kubectl("apply --server-side --field-manager=other --force-conflicts -f -", stdin=theirs)
    assert forced.out == applied


async def test_apply_prunes(kubectl: Kubectl) -> None:
    labelled = {"labels": {"set": "p"}}
    one, two = ({**a_config_map(name, k="v"), "metadata": {"name": name, **labelled}} for name in ("one", "two"))
    await kubectl("apply -f -", stdin=yaml.safe_dump_all([one, two]))
    pruned = await kubectl("apply -f - --prune -l set=p --prune-allowlist=core/v1/ConfigMap", stdin=yaml.safe_dump(one))
    assert pruned.out == "configmap/one unchanged\nconfigmap/two pruned\n"


async def test_diff_asks_the_server(kubectl: Kubectl) -> None:
    await kubectl("apply -f -", stdin=SETTINGS)
    result = await kubectl("diff -f -", stdin=CHANGED)
    lines = result.out.splitlines()
    assert result.code == 1
    assert "-  l: w" in lines
    assert "+  m: x" in lines
    assert (await kubectl("get cm settings -o jsonpath={.data.l}")).out == "w"


async def test_replace(kubectl: Kubectl) -> None:
    await kubectl("create -f -", stdin=SETTINGS)
    assert (await kubectl("replace -f -", stdin=CHANGED)).out == "configmap/settings replaced\n"
    assert (await kubectl("replace --force -f -", stdin=SETTINGS)).code == 0
    assert (await kubectl("get cm settings -o jsonpath={.data}")).out == '{"k":"v","l":"w"}'


async def test_edit(kubectl: Kubectl) -> None:
    kubectl.put("tasks", a_task("a"))
    edited = await kubectl("edit task a", EDITOR="sed -i s/say/sing/")
    assert edited.out == "task.g.io/a edited\n"
    assert (await kubectl("get task a -o jsonpath={.spec.message}")).out == "sing a"


async def test_a_token_for_a_service_account(kubectl: Kubectl) -> None:
    await kubectl("create serviceaccount bot")
    token = (await kubectl("create token bot")).out.strip()
    config = yaml.safe_load(kubectl.plane.kubeconfig_path.read_text())
    config["users"][0]["user"] = {"token": token}
    (kubectl.folder / "bot").write_text(yaml.safe_dump(config))
    who = await kubectl("auth whoami -o jsonpath={.status.userInfo.username}", KUBECONFIG=str(kubectl.folder / "bot"))
    assert who.out == "system:serviceaccount:default:bot"


async def test_a_wrong_token_is_refused(kubectl: Kubectl) -> None:
    config = yaml.safe_load(kubectl.plane.kubeconfig_path.read_text())
    config["users"][0]["user"] = {"token": "wrong"}
    (kubectl.folder / "wrong").write_text(yaml.safe_dump(config))
    refused = await kubectl("get ns", KUBECONFIG=str(kubectl.folder / "wrong"))
    assert "You must be logged in to the server" in refused.err


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(("message:", "mesage:"), 'unknown field "spec.mesage"', id="an unknown field"),
        pytest.param(("say a", "3"), "spec.message in body must be of type string", id="a wrong type"),
        pytest.param(("say a", '""'), "spec.message in body should be at least 1 chars long", id="an empty text"),
        pytest.param(("name: a", "name: A_b"), 'metadata.name: Invalid value: "A_b"', id="a wrong name"),
        pytest.param(
            ("kind: Task", "kind: Tusk"), 'no matches for kind "Tusk" in version "g.io/v1"', id="no such kind"
        ),
        pytest.param(("namespace: default", "namespace: nope"), 'namespaces "nope" not found', id="no such namespace"),
    ],
)
async def test_manifests_that_are_refused(kubectl: Kubectl, change: tuple[str, str], expected: str) -> None:
    refused = await kubectl("apply -f -", stdin=TASK.replace(*change))
    assert refused.code == 1
    assert expected in refused.err


async def test_an_unknown_field_is_a_warning_when_asked(kubectl: Kubectl) -> None:
    warned = await kubectl("apply --validate=warn -f -", stdin=TASK + "  mesage: x\n")
    assert (warned.out, warned.err) == ("task.g.io/a created\n", 'Warning: unknown field "spec.mesage"\n')
