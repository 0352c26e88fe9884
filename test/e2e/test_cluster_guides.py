"""The commands of the guides for administrators do what the pages say.

What needs RBAC and admission policies runs on kube-apiserver only, on a control plane of its own. No Pod runs here:
what waits for one stands in blocks that are not run.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lupa
import pytest
import yaml

from kubechain.api.kinds import ALL_KINDS
from test.e2e import guides, kstatus
from test.e2e.cluster import Cluster, Namespace
from test.e2e.controlplane import RealControlPlane
from test.e2e.guides import GUIDES, ROOT, Checkout
from test.e2e.manifests import (
    API_VERSION,
    a_builtin,
    a_secret,
    a_task,
    an_agent,
    an_api_tool,
    an_llm,
    an_mcp_server,
    refs,
)
from test.e2e.model import Ask, Failure, MockModel, asks
from test.e2e.processes import Program
from test.e2e.servers import peers
from test.e2e.servers.endpoint import Endpoint
from test.e2e.test_guides import environment_of

TROUBLE = GUIDES / "troubleshooting.md"
GITOPS = GUIDES / "gitops.md"

ON_A_CLUSTER: Mapping[str, tuple[str, ...]] = {
    "install.md": ("kubectl", "Does it work", "Kustomize", "One namespace, or some"),
    "upgrade.md": ("In short", "Runs in flight"),
    "security.md": ("Secrets", "Who may do what", "Checklist"),
}
"""The sections that are run on kube-apiserver, in this order, on one control plane."""


def blocks(page: Path, language: str, title: str | None = None) -> list[str]:
    """The blocks of a language on a page, or in one section of it."""
    text = page.read_text() if title is None else guides.section(page, title)
    return guides.blocks(text, language)


# --- on kube-apiserver


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    folder = tmp_path_factory.mktemp("checkout")
    guides.check_out(folder)
    with RealControlPlane(folder / "plane") as plane:
        yield Checkout(folder, {**plane.kubectl_env(), **environment_of(folder, KUBECONFIG=str(plane.kubeconfig))})


@pytest.mark.real
@pytest.mark.timeout(300)
def test_an_administrator_installs_upgrades_and_hardens(checkout: Checkout) -> None:
    for page, titles in ON_A_CLUSTER.items():
        for title in titles:
            checkout.follow(page, title)


@pytest.mark.real
def test_the_overlay_of_the_guide_changes_what_it_says(checkout: Checkout) -> None:
    cluster = Cluster(checkout.folder / "unused", checkout.environment, is_real=True)
    objects = list(yaml.safe_load_all(cluster.kubectl("kustomize", str(checkout.folder / "overlays" / "mine")).out))
    [deployment] = [one for one in objects if one["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert deployment["spec"]["replicas"] == 2
    assert container["image"] == "registry.example.com/tools/kubechain:0.1.0"
    assert container["resources"]["limits"]["memory"] == "2Gi"
    [account] = [one for one in objects if one["kind"] == "ServiceAccount"]
    assert account["imagePullSecrets"] == [{"name": "registry"}]


# --- troubles


@dataclass(frozen=True, slots=True)
class Trouble:
    """A namespace in which something goes wrong, and what may be to blame."""

    space: Namespace
    model: MockModel
    endpoint: Endpoint
    folder: Path

    def an_llm(self, **spec: Any) -> dict[str, Any]:
        return an_llm(base_url=self.model.base_url, model=self.space.name, **spec)

    def a_run(self, name: str, *, tool: dict[str, Any] | None = None) -> None:
        """An agent, with one tool or none, and its run."""
        tools = [] if tool is None else [tool]
        agent = an_agent(tools=refs(*(one["metadata"]["name"] for one in tools)))
        spec = {"agentRef": {"name": "my-assistant"}, "userMessage": "Go."}
        run = {"apiVersion": API_VERSION, "kind": "TaskRun", "metadata": {"name": name}, "spec": spec}
        self.space.apply(a_secret(), self.an_llm(), *tools, agent, run)


def unseen(trouble: Trouble) -> None:
    trouble.space.apply(trouble.an_llm())


def without_a_secret(trouble: Trouble) -> None:
    trouble.space.apply(trouble.an_llm())
    trouble.space.wait("llm/gpt-4o", "{.status.status}", "Error")


def without_an_llm(trouble: Trouble) -> None:
    trouble.space.apply(a_secret(), trouble.an_llm(), an_agent(llm="gpt-5"), a_task())
    trouble.space.wait("agent/my-assistant", "{.status.status}", "Error")
    trouble.space.wait("task/hello-world-task", "{.status.ready}", "false")


def a_slow_model(trouble: Trouble) -> None:
    script = trouble.model[trouble.space.name]
    script.gate.clear()
    trouble.a_run("slow")
    script.wait_for_call()


def a_slow_tool(trouble: Trouble) -> None:
    trouble.model[trouble.space.name].answers = [asks(Ask("pay", {"text": "1"}))]
    trouble.a_run("paying", tool=an_api_tool("pay", url=trouble.endpoint.url("/hold")))
    trouble.endpoint.wait_for_hit()


def an_open_request(trouble: Trouble) -> None:
    trouble.model[trouble.space.name].answers = [asks(Ask("add", {"a": 1, "b": 2}))]
    trouble.a_run("asking", tool=a_builtin(requiresApproval=True))
    trouble.space.wait("hr/asking-t0-c0", "{.status.phase}", "Open")


def a_failed_run(trouble: Trouble) -> None:
    trouble.model[trouble.space.name].answers = [Failure(400, "the request is wrong")]
    trouble.a_run("failing")
    trouble.space.finished("failing", "Failed")


def a_server_that_does_not_start(trouble: Trouble) -> None:
    trouble.space.apply(an_mcp_server("desk", type="stdio", command="no-such-program"))
    trouble.space.until(
        lambda: "no-such-program" in trouble.space.get("mcpserver", "desk").get("status", {}).get("statusDetail", ""),
        watch="mcpservers",
        what="the program is named",
    )


def a_wrong_manifest(trouble: Trouble) -> None:
    (trouble.folder / "wrong.yaml").write_text(yaml.safe_dump(an_mcp_server("desk", type="stdio")))


TROUBLES: Mapping[str, Callable[[Trouble], None]] = {
    "An LLM is in Error": without_a_secret,
    "An Agent or a Task is not ready": without_an_llm,
    "A run does not go on": a_slow_model,
    "A call does not go on": a_slow_tool,
    "A person has decided, and nothing happens": an_open_request,
    "A run has failed": a_failed_run,
    "An MCPServer is not connected": a_server_that_does_not_start,
    "kubectl apply is refused": a_wrong_manifest,
}
"""The sections of the page, with what makes the trouble; the first section has no manager."""

UNSEEN = "READY and STATUS are empty"


def follow(page: Path, title: str, space: Namespace, folder: Path) -> None:
    """Type the commands of a section in a namespace."""
    kubeconfig = folder / "admin"
    shutil.copy(space.cluster.kubeconfig, kubeconfig)
    environment = {**dict(space.cluster.environment), **environment_of(folder, KUBECONFIG=str(kubeconfig))}
    Cluster(kubeconfig, environment, is_real=space.cluster.is_real).kubectl(
        "config", "set-context", "--current", f"--namespace={space.name}"
    )
    with guides.Shell(folder, environment) as shell:
        for command in guides.commands(guides.section(page, title)):
            shell.run(command)


@pytest.mark.parametrize("title", TROUBLES)
def test_a_person_finds_the_cause_of(
    title: str,
    make_namespace: Callable[[str], Namespace],
    manager: Program,
    model: MockModel,
    endpoint: Endpoint,
    tmp_path: Path,
) -> None:
    assert manager.popen is not None
    trouble = Trouble(make_namespace(f"trouble-{title}"), model, endpoint, tmp_path)
    try:
        TROUBLES[title](trouble)
        follow(TROUBLE, title, trouble.space, tmp_path)
    finally:
        model[trouble.space.name].gate.set()
        trouble.space.kubectl("delete", "mcpserver", "--all", "--wait=false")


def test_a_person_finds_that_no_manager_runs(
    make_unmanaged_namespace: Callable[[str], Namespace], model: MockModel, endpoint: Endpoint, tmp_path: Path
) -> None:
    trouble = Trouble(make_unmanaged_namespace("trouble-unseen"), model, endpoint, tmp_path)
    unseen(trouble)
    follow(TROUBLE, UNSEEN, trouble.space, tmp_path)


# --- GitOps


def test_what_is_in_git_is_waited_for(
    make_namespace: Callable[[str], Namespace], manager: Program, model: MockModel, tmp_path: Path
) -> None:
    assert manager.popen is not None
    space = make_namespace("gitops")
    budget = {
        "apiVersion": API_VERSION,
        "kind": "Budget",
        "metadata": {"name": "all"},
        "spec": {"maxTokens": 1_000_000},
    }
    llm = an_llm(base_url=model.base_url, model=space.name)
    space.apply(a_secret(), llm, a_builtin(), an_agent(tools=refs("add")), budget, a_task())
    space.apply(an_mcp_server("desk", **peers.over_stdio()))
    follow(GITOPS, "kubectl wait", space, tmp_path)
    space.kubectl("delete", "mcpserver", "--all", "--wait=false")


def health(obj: Mapping[str, Any]) -> tuple[str, str]:
    """What Argo CD makes of an object by the check of the guide."""
    [config, _] = (yaml.safe_load(text) for text in blocks(GITOPS, "yaml", "Argo CD"))
    customizations = yaml.safe_load(config["data"]["resource.customizations"])
    script = customizations["kubechain.humanlayer.dev/*"]["health.lua"]
    runtime: Any = lupa.LuaRuntime(unpack_returned_tuples=True)
    runtime.globals().obj = runtime.table_from(obj, recursive=True)
    found = runtime.execute(script)
    return str(found["status"]), str(found["message"])


def an_object(kind: str, status: Mapping[str, Any] | None = None, *, generation: int = 2) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"generation": generation}, **({"status": status} if status else {})}


def said(condition: str, value: str, summary: str) -> dict[str, Any]:
    """A status of generation 2 with one condition."""
    return {"observedGeneration": 2, "status": summary, "conditions": [{"type": condition, "status": value}]}


HEALTH: Mapping[str, tuple[dict[str, Any], str]] = {
    "an LLM that no manager has seen": (an_object("LLM", {"observedGeneration": -1}), "Progressing"),
    "an LLM without any status": (an_object("LLM"), "Progressing"),
    "an LLM that was edited since": (an_object("LLM", said("Ready", "True", "Ready"), generation=3), "Progressing"),
    "an LLM that is ready": (an_object("LLM", said("Ready", "True", "Ready")), "Healthy"),
    "an LLM that waits": (an_object("LLM", said("Ready", "False", "Pending")), "Progressing"),
    "an LLM with a wrong key": (an_object("LLM", said("Ready", "False", "Error")), "Degraded"),
    "a Task whose run goes on": (an_object("Task", said("Succeeded", "Unknown", "Ready")), "Progressing"),
    "a Task with an answer": (an_object("Task", said("Succeeded", "True", "Ready")), "Healthy"),
    "a run that failed": (an_object("TaskRun", said("Succeeded", "False", "Error")), "Degraded"),
    "a request that is open": (an_object("HumanRequest", {"phase": "Open"}), "Healthy"),
    "a chunk": (an_object("ContextChunk"), "Healthy"),
}


@pytest.mark.parametrize("case", HEALTH.values(), ids=HEALTH.keys())
def test_argo_cd_sees(case: tuple[dict[str, Any], str]) -> None:
    assert health(case[0])[0] == case[1]


def test_argo_cd_says_why() -> None:
    obj = an_object("Agent", said("Ready", "False", "Error") | {"statusDetail": 'LLM "gpt-5" not found'})
    assert health(obj) == ("Degraded", 'LLM "gpt-5" not found')


def test_argo_cd_and_kstatus_agree_on_what_the_manager_writes(
    make_namespace: Callable[[str], Namespace], manager: Program, model: MockModel
) -> None:
    assert manager.popen is not None
    space = make_namespace("agreement")
    llm = an_llm(base_url=model.base_url, model=space.name)
    space.apply(a_secret(), llm, a_builtin(), an_agent(tools=refs("add")), a_task(), an_agent("broken", llm="none"))
    space.kubectl("wait", "--for=condition=Finished", "task/hello-world-task", "--timeout=60s")
    space.wait("agent/broken", "{.status.status}", "Error")
    found = {
        f"{one['kind']}/{one['metadata']['name']}": (health(one)[0], kstatus.computed(one))
        for one in space.list("llm,tool,agent,task,taskrun")
    }
    broken = found.pop("Agent/broken")
    assert broken == ("Degraded", "InProgress")
    assert set(found.values()) == {("Healthy", "Current")}
    assert len(found) == 5


def test_what_the_guide_keeps_out_of_git_are_kinds_of_ours() -> None:
    table = guides.section(GITOPS, "What belongs into Git, and what does not")
    assert {kind.kind for kind in ALL_KINDS} == {
        kind.kind for kind in ALL_KINDS if re.search(rf"\b{kind.kind}\b", table)
    }


# --- the pages


def test_each_section_with_commands_is_run() -> None:
    followed = {
        **{GUIDES / page: {*titles} for page, titles in ON_A_CLUSTER.items()},
        TROUBLE: {*TROUBLES, UNSEEN},
        GITOPS: {"kubectl wait"},
        GUIDES / "uninstall.md": {
            "The order in which nothing waits",
            "Something stays Terminating",
            "The admission policies refuse it",
        },
        GUIDES / "sizing.md": set[str](),
    }
    for page, titles in followed.items():
        assert {title for title in guides.sections(page) if blocks(page, "console", title)} == titles, page.name


LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")


@pytest.mark.parametrize("page", [*sorted(GUIDES.glob("*.md")), ROOT / "README.md"], ids=lambda page: page.name)
def test_each_link_leads_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text()):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
