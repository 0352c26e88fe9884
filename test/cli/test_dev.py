"""What `kubechain dev` refuses, writes and says; that it serves is shown by the end-to-end tests."""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kubechain.cli import dev, guide
from kubechain.cli.devplane import require_ours
from kubechain.cli.terminal import Failure


def test_a_kubeconfig_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump({"contexts": [{"name": "production"}]}))
    with pytest.raises(Failure, match="not overwritten"):
        require_ours(path)


@pytest.mark.parametrize("text", ["- a\n- b\n", "{", ""], ids=["a list", "no YAML", "an empty file"])
def test_a_file_that_is_no_kubeconfig_is_not_overwritten_either(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(Failure, match="not overwritten"):
        require_ours(path)


def test_one_of_ours_may_be_written_again(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump({"contexts": [{"name": "kubechain"}]}))
    require_ours(path)


def test_the_command_ends_with_1_and_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("contexts: [{name: production}]")
    command = [sys.executable, "-c", "import sys; from kubechain.cli import main; sys.exit(main())"]
    done = subprocess.run([*command, "dev", f"--kubeconfig={path}"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: kubeconfig: not written by kubechain dev")
    assert str(path) in done.stderr


def run_dev(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import sys; from kubechain.cli import main; sys.exit(main())", "dev"]
    return subprocess.run(
        [*command, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_without_assets_the_message_names_the_variable(tmp_path: Path) -> None:
    done = run_dev("--control-plane=assets", f"--kubeconfig={tmp_path / 'k'}", KUBEBUILDER_ASSETS="")
    assert (done.returncode, done.stderr) == (
        1,
        "error: KUBEBUILDER_ASSETS is not set: it names the folder with etcd and kube-apiserver\n",
    )


def test_assets_without_the_programs_are_refused(tmp_path: Path) -> None:
    done = run_dev("--control-plane=assets", f"--kubeconfig={tmp_path / 'k'}", KUBEBUILDER_ASSETS=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("error: KUBEBUILDER_ASSETS: no program etcd and no program kube-apiserver in")


def test_faults_are_refused_for_kube_apiserver(tmp_path: Path) -> None:
    done = run_dev("--control-plane=assets", f"--kubeconfig={tmp_path / 'k'}", "--faults=faults.yaml")
    assert (done.returncode, done.stderr) == (
        1,
        "error: --faults needs --control-plane=embedded: kube-apiserver cannot be made to fail\n",
    )


def test_the_variable_that_names_the_managers_cluster_names_no_file_to_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECHAIN_KUBECONFIG", str(tmp_path / "precious"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "precious"))
    parser = argparse.ArgumentParser()
    dev.add_arguments(parser)
    assert parser.parse_args([]).kubeconfig == ""


def ready(**changes: object) -> guide.Ready:
    facts = {
        "seconds": 0.94,
        "url": "https://127.0.0.1:6443",
        "kubeconfig": Path("/home/a user/kubeconfig"),
        "data_folder": None,
        "model_url": None,
        "manifest": None,
        "with_manager": True,
    }
    return guide.Ready(**(facts | changes))  # pyright: ignore[reportArgumentType]


def test_the_guide_can_be_pasted_into_a_shell() -> None:
    said = guide.text(ready(), io.StringIO())
    assert "export KUBECONFIG='/home/a user/kubeconfig'" in said
    assert "ready after 0.9 s" in said
    assert "production is a cluster" in said
    assert "\033" not in said


def test_faults_are_announced_and_counted_by_their_place_in_the_file() -> None:
    assert "as in faults.yaml" in guide.text(ready(faults=Path("faults.yaml")), io.StringIO())
    assert guide.fault_counts([3, 0]) == "Faults: 3 (3 by rules[0], 0 by rules[1])."


def test_with_the_local_model_one_manifest_is_enough() -> None:
    said = guide.text(ready(model_url="http://127.0.0.1:1/v1", manifest=Path("/tmp/hello.yaml")), io.StringIO())
    assert "kubectl apply -f /tmp/hello.yaml" in said
    assert "create secret" not in said


def test_the_manifest_for_newcomers_is_of_our_kinds() -> None:
    text = guide.MODEL_MANIFEST.format(base_url="http://127.0.0.1:1/v1", model="small")
    kinds = [document["kind"] for document in yaml.safe_load_all(text)]
    assert kinds == ["LLM", "Agent", "Task"]


def test_the_guide_makes_the_command_known_to_a_shell_that_does_not_find_it() -> None:
    assert "export PATH=" not in guide.text(ready(), io.StringIO())
    said = guide.text(ready(program_folder=Path("/a b/bin")), io.StringIO())
    assert "export PATH='/a b/bin':$PATH" in said
