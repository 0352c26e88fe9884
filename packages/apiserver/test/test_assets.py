"""The folder of kube-apiserver and etcd: what is said when it cannot be used. That they serve is shown by test/e2e."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubechain_apiserver.assets import AssetsControlPlane, StartError, programs_of


def a_folder(folder: Path, *programs: str) -> Path:
    for name in programs:
        (folder / name).write_text("#!/bin/sh\necho 'no such flag' >&2\nexit 3\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("environment", [{}, {"KUBEBUILDER_ASSETS": ""}], ids=["not set", "empty"])
def test_without_the_variable_the_message_names_it(environment: dict[str, str]) -> None:
    with pytest.raises(StartError, match="KUBEBUILDER_ASSETS is not set: it names the folder with etcd"):
        programs_of(environment)


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match='KUBEBUILDER_ASSETS: no program kube-apiserver in "'):
        programs_of({"KUBEBUILDER_ASSETS": str(a_folder(tmp_path, "etcd"))})


def test_a_complete_folder_is_taken(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, "etcd", "kube-apiserver")
    assert programs_of({"KUBEBUILDER_ASSETS": str(folder)}) == folder.resolve()


def test_a_program_that_ends_is_quoted_and_leaves_nothing_running(tmp_path: Path) -> None:
    programs = a_folder(tmp_path, "etcd", "kube-apiserver")
    plane = AssetsControlPlane(tmp_path / "state", programs=programs)
    with pytest.raises(StartError, match=r"ended with status 3: .*\.log\nno such flag"):
        plane.start()
    plane.check()
    assert not list((tmp_path / "state").glob("etcd-*"))
