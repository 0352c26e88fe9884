"""Completion of commands and names, in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest

from test.e2e.cluster import Namespace
from test.e2e.processes import KUBECHAIN
from test.e2e.test_answering import TYPES, ask_each
from test.e2e.test_deciding import kubechain

BASH = """\
eval "$(kubechain completion bash)"
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
_python_argcomplete kubechain
printf '%s\\n' "${COMPREPLY[@]}"
"""

FISH = """\
kubechain completion fish | source
complete -C $argv[1]
"""

ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1= PS2=; autoload -Uz compinit; compinit -u -D; eval "$(kubechain completion zsh)"
show() { print -r -- "<<$BUFFER>>"; BUFFER=; zle accept-line; }
zle -N show; bindkey "^I" complete-word; bindkey "^X" show; print rea""dy'
zpty -r shell out '*ready*'
zpty -n -w shell "$1"$'\t\C-X'
zpty -r shell out '*<<*>>*'
print -r -- ${${out##*<<}%%>>*}
zpty -d shell
"""
"""Types a line in a terminal, presses Tab, and prints the line as it is then."""


def said(space: Namespace, shell: str, *arguments: str) -> str:
    """What a shell prints; the test is skipped where there is none."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed: hack/test_programs.sh installs it on Debian")
    path = f"{KUBECHAIN.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**space.cluster.environment, "KUBECONFIG": str(space.cluster.kubeconfig), "PATH": path}
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def bash(space: Namespace, line: str) -> list[str]:
    return sorted(said(space, "bash", "-c", BASH, "bash", f"kubechain {line}").split())


def fish(space: Namespace, line: str) -> list[str]:
    shown = said(space, "fish", "--no-config", "-c", FISH, f"kubechain {line}")
    return sorted(line.partition("\t")[0] for line in shown.splitlines())


@pytest.fixture
def space(make_unmanaged_namespace: Callable[[str], Namespace]) -> Namespace:
    """A namespace with a request of each type but an approval, by the name of its type."""
    space = make_unmanaged_namespace("completion")
    ask_each(space)
    return space


@pytest.mark.parametrize("completed", [bash, fish])
def test_names_are_completed_from_the_cluster(
    space: Namespace, completed: Callable[[Namespace, str], list[str]]
) -> None:
    line = f"approve -n {space.name} "
    assert completed(space, line) == sorted(kind.lower() for kind in TYPES)
    assert completed(space, line + "question f") == ["form"]
    kubechain(space, "answer", "url", "--done")
    assert "url" not in completed(space, line)


@pytest.mark.parametrize("completed", [bash, fish])
def test_without_a_cluster_nothing_is_completed_and_nothing_said(
    space: Namespace, completed: Callable[[Namespace, str], list[str]]
) -> None:
    assert completed(space, "approve --kubeconfig /nowhere/at/all ") == []
    assert completed(space, "approve -n ../.. ") == []


@pytest.mark.parametrize(
    ("typed", "added"),
    [
        pytest.param("kubechain appr", "ove ", id="a command"),
        pytest.param("kubechain approve -n {} que", "stion ", id="a name in the cluster"),
        pytest.param("kubechain approve -n {} nobody", "", id="nothing"),
    ],
)
def test_zsh_completes_what_is_typed_when_tab_is_pressed(space: Namespace, typed: str, added: str) -> None:
    line = typed.format(space.name)
    assert said(space, "zsh", "-f", "-c", ZSH, "zsh", line).rstrip("\n") == line + added
