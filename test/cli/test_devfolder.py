"""What `kubechain dev` keeps for itself: its kubeconfig against others, and its ports over restarts."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from kubechain.cli import devfolder
from kubechain.cli.terminal import Failure


def test_a_second_one_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    with devfolder.kubeconfig_lock(kubeconfig):
        with (
            pytest.raises(Failure, match=rf"another kubechain dev \(process {os.getpid()}\)"),
            devfolder.kubeconfig_lock(kubeconfig),
        ):
            pass
        with devfolder.kubeconfig_lock(tmp_path / "other"):
            pass
    with devfolder.kubeconfig_lock(kubeconfig):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_a_killed_process_left_behind_is_taken(tmp_path: Path) -> None:
    (tmp_path / ".kubeconfig.lock").write_text("1\n")
    with devfolder.kubeconfig_lock(tmp_path / "kubeconfig"):
        assert (tmp_path / ".kubeconfig.lock").read_text() == f"{os.getpid()}\n"


def test_a_port_is_kept_in_the_folder_while_it_is_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        devfolder.keep_port(tmp_path, "model", f"http://127.0.0.1:{port}/v1")
        assert devfolder.kept_port(tmp_path, "model", 0) == 0
    assert devfolder.kept_port(tmp_path, "model", 0) == port
    assert devfolder.kept_port(tmp_path, "model", 4321) == 4321
    assert devfolder.kept_port(tmp_path, "api-server", 0) == 0
    assert devfolder.kept_port(None, "model", 0) == 0


@pytest.mark.parametrize("text", ["", "[]", '{"model": "x"}', '{"model": 70000}'])
def test_a_damaged_file_is_like_none(tmp_path: Path, text: str) -> None:
    (tmp_path / devfolder.PORTS_FILE).write_text(text)
    assert devfolder.kept_port(tmp_path, "model", 0) == 0
