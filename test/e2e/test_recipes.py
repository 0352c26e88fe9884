"""The manifests of docs/guides/recipes.md: an API server takes each, and the scheduled run has the rights it needs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from test.e2e import guides
from test.e2e.cluster import Namespace
from test.e2e.manifests import a_task, an_agent, an_llm
from test.e2e.model import ANSWER, MockModel, Script
from test.e2e.processes import KUBECHAIN
from test.e2e.test_guides import environment_of
from test.e2e.test_release_real import kubeconfig_of
from test.e2e.test_views import kubechain

RECIPES = Path(__file__).resolve().parents[2] / "docs" / "guides" / "recipes.md"
NOT_OF_THE_API = {"Kustomization"}


def manifests(title: str | None = None) -> list[dict[str, Any]]:
    """The objects of the page, or of one section of it."""
    found: list[dict[str, Any]] = []
    page = RECIPES.read_text() if title is None else guides.section(RECIPES, title)
    for text in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        objects: Iterable[dict[str, Any]] = yaml.safe_load_all(text)
        found += [each for each in objects if each["kind"] not in NOT_OF_THE_API]
    return found


def of_kind(*kinds: str) -> list[Mapping[str, Any]]:
    return [each for each in manifests() if each["kind"] in kinds]


@pytest.fixture(scope="module")
def space(make_unmanaged_namespace: Callable[[str], Namespace]) -> Namespace:
    return make_unmanaged_namespace("recipes")


def created(space: Namespace, manifest: Mapping[str, Any]) -> str:
    """What kubectl says of a manifest that the server only tries."""
    arguments = ("create", "--dry-run=server", "--validate=strict", "-f", "-")
    return space.kubectl(*arguments, stdin=json.dumps(manifest)).out


@pytest.mark.parametrize("manifest", of_kind("MCPServer", "Task", "TaskRun"), ids=lambda each: each["kind"])
def test_each_manifest_of_ours_is_taken(space: Namespace, manifest: Mapping[str, Any]) -> None:
    assert "created (server dry run)" in created(space, manifest)


@pytest.mark.real
@pytest.mark.parametrize("manifest", manifests(), ids=lambda each: each["kind"])
def test_each_manifest_is_taken_by_kube_apiserver(space: Namespace, manifest: Mapping[str, Any]) -> None:
    assert "created (server dry run)" in created(space, manifest)


@pytest.mark.real
def test_the_account_of_the_scheduled_run_may_do_what_the_command_does_and_no_more(
    namespace: Namespace, script: Script, tmp_path: Path
) -> None:
    namespace.apply(an_agent(), *of_kind("ServiceAccount", "Role", "RoleBinding"))
    namespace.wait("agent/my-assistant", "{.status.status}", "Ready")
    config = kubeconfig_of(namespace.cluster, "morning-report", tmp_path, namespace.name)
    account = Namespace(replace(namespace.cluster, kubeconfig=config), namespace.name)
    [cron_job] = of_kind("CronJob")
    [container] = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    said = kubechain(account, *container["args"])
    assert said.out.strip() == ANSWER
    assert "cannot be read" not in said.err
    assert "cannot list" in kubechain(account, "get", "llms", status=1).err


QUESTION_FILE = "What is the capital of the moon?\n"


@pytest.fixture
def repository(tmp_path: Path, model: MockModel) -> Path:
    """Where a person keeps agents in Git: manifests, an overlay and a question."""
    llm, agent = an_llm(base_url=model.base_url, model=tmp_path.name), an_agent(tools=[])
    del llm["spec"]["apiKeyFrom"]
    for folder in ("agents", "overlays/prod"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "llm.yaml").write_text(json.dumps(llm))
        (tmp_path / folder / "agent.yaml").write_text(json.dumps(agent))
    kustomization = {"kind": "Kustomization", "apiVersion": "kustomize.config.k8s.io/v1beta1"}
    files = {"resources": ["llm.yaml", "agent.yaml"], "namespace": "default"}
    (tmp_path / "overlays" / "prod" / "kustomization.yaml").write_text(json.dumps(kustomization | files))
    (tmp_path / "question.txt").write_text(QUESTION_FILE)
    return tmp_path


@pytest.mark.timeout(300)
def test_the_commands_of_the_page_do_what_it_says(repository: Path) -> None:
    def commands(title: str) -> list[guides.Command]:
        return list(guides.commands(guides.section(RECIPES, title)))

    (lint, *ci), git = commands("Checks before a merge"), commands("Agents in Git")
    variables = [command for command in ci if "apply" not in command.text][:3]
    with guides.Shell(repository, environment_of(repository)) as shell:
        try:
            for command in (lint, *variables):
                shell.run(command)
            for command in (*git, *ci[len(variables) :]):
                shell.run(command)
        finally:
            shell.run(guides.Command("kill $! && wait $!", []))
    story = json.loads((repository / "story.json").read_text())
    assert (story["phase"], story["output"]) == ("FinalAnswer", ANSWER)
    assert ANSWER in (repository / "story.html").read_text()


def at_home(namespace: Namespace, folder: Path) -> dict[str, str]:
    """The environment of a person whose kubeconfig names the namespace, and whose PATH has our command."""
    config = folder / "kubeconfig"
    config.write_text(namespace.cluster.kubeconfig.read_text())
    environment = dict(namespace.cluster.environment) | {"KUBECONFIG": str(config)}
    away = Namespace(replace(namespace.cluster, kubeconfig=config, environment=environment), namespace.name)
    away.kubectl("config", "set-context", "--current")
    return environment | {"PATH": f"{KUBECHAIN.parent}{os.pathsep}{environment['PATH']}"}


def test_a_run_is_continued_and_forked_as_the_page_says(
    namespace: Namespace, script: Script, model: MockModel, tmp_path: Path
) -> None:
    del script
    other = an_llm("other", base_url=model.base_url, model=f"{namespace.name}-other")
    namespace.apply(an_agent(), a_task("hello"), other)
    namespace.finished("hello-1")
    namespace.wait("llm/other", "{.status.status}", "Ready")
    [continuing] = [each for each in of_kind("TaskRun") if "continueFrom" in each["spec"]]
    (tmp_path / f"{continuing['metadata']['name']}.yaml").write_text(yaml.safe_dump(continuing))
    (tmp_path / "shorter.txt").write_text("Be brief.")
    with guides.Shell(tmp_path, at_home(namespace, tmp_path)) as shell:
        for command in guides.commands(guides.section(RECIPES, "Continue and fork")):
            shell.run(command)
    assert len(namespace.list("taskruns")) == 6
