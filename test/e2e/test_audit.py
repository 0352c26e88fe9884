"""The audit log of a real manager, and the commands of the guide about it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from test.e2e import guides, processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import KEY, QUESTION, a_secret, a_task, an_agent, an_llm
from test.e2e.model import ANSWER, MockModel
from test.e2e.processes import KUBECHAIN, Program
from test.e2e.test_guides import environment_of

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "observability.md"


@pytest.fixture
def audited(
    make_namespace: Callable[[str], Namespace], manager: Program, cluster: Cluster, model: MockModel, tmp_path: Path
) -> Path:
    """A folder with the audit log of two runs, the manager killed and started anew in between."""
    namespace = make_namespace("audit")
    flags = (f"--namespaces={namespace.name}", f"--audit-log={tmp_path / 'audit.log'}")
    program = processes.manager(cluster.kubeconfig, tmp_path / "manager.log", *flags)
    assert manager.stop() == 0
    try:
        program.start()
        namespace.apply(a_secret(), an_llm(base_url=model.base_url), an_agent(), a_task())
        namespace.finished("hello-world-task-1")
        program.kill()
        program.start()
        namespace.apply(a_task("again"))
        namespace.finished("again-1")
        assert program.stop() == 0
    finally:
        program.kill()
        manager.start()
    return tmp_path


def test_the_audit_log_has_prompt_and_answer_and_the_guides_commands_verify_it(audited: Path) -> None:
    lines = [json.loads(line) for line in (audited / "audit.log").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["opened", "prompt", "answer"] * 2
    assert lines[1]["messages"][-1]["content"] == QUESTION
    assert lines[2]["message"]["content"] == ANSWER
    assert KEY not in (audited / "audit.log").read_text()
    with guides.Shell(audited, environment_of(audited)) as shell:
        for command in guides.commands(guides.section(GUIDE, "The audit log")):
            shell.run(command)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    command = [KUBECHAIN, "audit", "verify", "nowhere.log"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'audit: No such file or directory: "nowhere.log"' in done.stderr
