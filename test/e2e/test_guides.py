"""The commands of docs/guides do what the pages say, on both API servers."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from test.e2e import guides, processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.controlplane import build
from test.e2e.manifests import a_secret, an_llm
from test.e2e.model import Answer, Ask, Call, MockModel, asks
from test.e2e.processes import KUBECHAIN, Program
from test.e2e.slackserver import SlackServer, a_slack_server
from test.e2e.test_approvers_real import remove_policies, wait_until_requests_are_verified
from test.e2e.test_release_real import SYSTEM_NAMESPACE, kubeconfig_of
from test.humans.slackdouble import TOKEN
from test.humans.socketdouble import APP_TOKEN

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
APPROVALS = ROOT / "docs" / "guides" / "approvals.md"

ON_A_CLUSTER = "Who may decide"
"""The section that needs RBAC, admission policies and several users."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a person sits who has checked out the repository: what they make stays out of ours."""
    (tmp_path / "config").symlink_to(CONFIG)
    return tmp_path


def environment_of(folder: Path, **more: str) -> dict[str, str]:
    path = f"{KUBECHAIN.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "KUBECACHEDIR": str(folder / "kubectl-cache"), **more}


def a_dev(command: str, folder: Path, assets: Mapping[str, str], **more: str) -> Program:
    """The control plane that a guide starts in another terminal, its folder being ours.

    Args:
        command: As the guide shows it.
        folder: Where the person is.
        assets: See the fixture.
        more: Environment variables of it.
    """
    program, *arguments = shlex.split(command)
    assert program == "kubechain"
    health = f"127.0.0.1:{processes.free_port()}"
    place = arguments.index("--data-dir") + 1
    arguments[place] = str(folder / arguments[place])
    arguments += [f"--health-probe-bind-address={health}", *(["--control-plane=assets"] if assets else [])]
    return Program(arguments, folder / "dev.log", f"http://{health}/readyz", {**assets, **more})


@pytest.fixture(scope="module")
def assets(pytestconfig: pytest.Config) -> dict[str, str]:
    """Where kube-apiserver and etcd are, with `--control-plane=real`; nothing for the embedded control plane."""
    is_real = pytestconfig.getoption("--control-plane", "embedded") == "real"
    return {"KUBEBUILDER_ASSETS": str(build())} if is_real else {}


def the_first_tool(call: Call) -> Answer:
    """Answers as the local model does, but at once: a call of the first tool, and after its result an answer."""
    if not call.tools or call.messages[-1]["role"] == "tool":
        return "That is the answer."
    [name, *_] = call.tools
    return asks(Ask(name, {"message": "Which colour?"} if name == "ask_human" else {"a": 6, "b": 7}))


def put_in_place_of_the_model(folder: Path, environment: Mapping[str, str], model: MockModel) -> None:
    """Wait until the local model is served and its manifest is there, and let the manifest name another endpoint.

    The model's own pace depends on what else the machine does.
    """
    kubeconfig = folder / "people" / "kubeconfig"
    dev = Namespace(Cluster(kubeconfig, {**environment, "KUBECONFIG": str(kubeconfig)}, is_real=False), "default")
    manifest = folder / "people" / "hello.yaml"
    dev.until(manifest.exists, watch="configmap", what="the model is served")
    text, count = re.subn(r"http://127\.0\.0\.1:\d+/v1", model.base_url, manifest.read_text())
    assert count == 1
    manifest.write_text(text)
    model["SmolLM2-135M-Instruct"].respond = the_first_tool


@pytest.mark.timeout(300)
def test_a_person_goes_through_approvals_on_a_laptop(folder: Path, assets: Mapping[str, str], model: MockModel) -> None:
    titles = guides.sections(APPROVALS)
    start, *rest = [
        command
        for title in titles[: titles.index(ON_A_CLUSTER)]
        if title != IN_SLACK
        for command in guides.commands(guides.section(APPROVALS, title))
    ]
    dev = a_dev(start.text, folder, assets)
    dev.start()
    environment = environment_of(folder)
    try:
        put_in_place_of_the_model(folder, environment, model)
        with guides.Shell(folder, environment) as shell:
            for command in rest:
                shell.run(command)
    finally:
        status = dev.stop()
    assert status == 0, dev.tail()
    assert '"level":"error"' not in dev.log.read_text()


IN_SLACK = "Slack"
"""The section that needs an app of Slack."""


def samples_for(slack: SlackServer, folder: Path) -> None:
    """The samples as a person has them who uses this Slack."""
    (folder / "config").unlink()
    shutil.copytree(CONFIG / "samples", folder / "config" / "samples")
    channel = folder / "config" / "samples" / "contactchannel.yaml"
    text, count = re.subn(r"(  slack:\n)(?=    app)", rf"\1    apiUrl: {slack.url}\n", channel.read_text())
    assert count == 1
    channel.write_text(text)


@pytest.mark.timeout(300)
def test_a_person_approves_in_slack(folder: Path, assets: Mapping[str, str], model: MockModel) -> None:
    first, *_ = guides.sections(APPROVALS)
    start, *rest = guides.commands(guides.section(APPROVALS, first))
    dev = a_dev(f"{start.text} --allow-addresses=127.0.0.0/8", folder, assets)
    dev.start()
    environment = environment_of(folder, BOT_TOKEN=TOKEN, APP_TOKEN=APP_TOKEN)
    try:
        put_in_place_of_the_model(folder, environment, model)
        with a_slack_server() as slack, guides.Shell(folder, environment) as shell:
            samples_for(slack, folder)
            for command in [*rest, *guides.commands(guides.section(APPROVALS, IN_SLACK))]:
                if "condition=Finished taskrun/in-slack" in command.text:
                    slack.press("Approve", user="U0123456789")
                shell.run(command)
    finally:
        status = dev.stop()
    assert status == 0, dev.tail()


@pytest.fixture
def cluster_with_users(
    cluster: Cluster, make_namespace: Callable[[str], Namespace], folder: Path, manager: Program
) -> Iterator[tuple[Namespace, dict[str, str]]]:
    """A namespace of a cluster, and the environment in which `kubectl` means it; the session's manager rests."""
    space = make_namespace("guide")
    kubeconfig = folder / "admin"
    shutil.copy(cluster.kubeconfig, kubeconfig)
    environment = {**dict(cluster.environment), **environment_of(folder, KUBECONFIG=str(kubeconfig))}
    Cluster(kubeconfig, environment, is_real=True).kubectl(
        "config", "set-context", "--current", f"--namespace={space.name}"
    )
    assert manager.stop() == 0
    yield space, environment
    remove_policies(cluster)
    manager.start()


def released_manager(space: Namespace, folder: Path) -> Program:
    """The manager with the rights of its ServiceAccount."""
    return processes.manager(
        kubeconfig_of(space.cluster, "kubechain-manager", folder),
        folder / "manager.log",
        "--leader-elect",
        f"--leader-election-namespace={SYSTEM_NAMESPACE}",
    )


@pytest.mark.real
@pytest.mark.timeout(300)
def test_a_person_sees_who_may_decide_on_a_cluster(
    cluster_with_users: tuple[Namespace, dict[str, str]], model: MockModel, folder: Path
) -> None:
    space, environment = cluster_with_users
    install, *rest = guides.commands(guides.section(APPROVALS, ON_A_CLUSTER))
    model["a-careful-one"].answers += [asks(Ask("multiply", {"a": 6, "b": 7})), "42"]
    with guides.Shell(folder, environment) as shell:
        shell.run(install)
        wait_until_requests_are_verified(space)
        program = released_manager(space, folder)
        program.start()
        try:
            space.apply(a_secret(), an_llm("local-model", base_url=model.base_url, model="a-careful-one"))
            for command in rest:
                shell.run(command)
        finally:
            program.kill()


DIFFERENCES = {
    "a word": (["a b"], "a c\n"),
    "a line too many": (["a"], "a\nb\n"),
    "a line that is missing": (["a", "b"], "a\n"),
    "text around what stands for any": (["a … z"], "a z y\n"),
}


@pytest.mark.parametrize("case", DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_what_the_page_does_not_show_is_a_difference(case: tuple[list[str], str]) -> None:
    assert guides.differs(case[1], case[0])


@pytest.mark.parametrize(
    ("page", "printed"),
    [
        pytest.param(["NAME   A"], "NAME         A  \n", id="columns of another width"),
        pytest.param(["a", "…", "z"], "a\nb\nc\nz\n", id="lines that are left out"),
        pytest.param(["a", "…", "z"], "a\nz\n", id="no line that is left out"),
        pytest.param(["a…z"], "a b z\n", id="a text that is left out"),
        pytest.param([], "anything\n", id="a page that shows nothing"),
    ],
)
def test_what_the_page_shows_is_found(page: list[str], printed: str) -> None:
    assert not guides.differs(printed, page)


def test_a_command_that_fails_or_prints_something_else_is_told(tmp_path: Path) -> None:
    with guides.Shell(tmp_path, os.environ) as shell:
        shell.run(guides.Command("a=1", []))
        shell.run(guides.Command("printf $a; false", ["1"], status=1))
        with pytest.raises(AssertionError, match="exit status 1"):
            shell.run(guides.Command("false", []))
        with pytest.raises(AssertionError, match="the page shows"):
            shell.run(guides.Command("echo $a", ["2"]))
