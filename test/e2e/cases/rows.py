"""The kinds of fault that the field was seen to send, and the tests that carry their words.

A page lists kinds; each test file of this folder holds one page. `case` names the kind that a test repairs, gives its
inputs, and writes both into the test's id. `missing` tells which kinds of a page no test of a module names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

MODELS = (
    "provider's own fields of the assistant turn",
    "arguments that are no JSON object",
    "an answer that does not fit the status",
    "a failure after HTTP 200",
    "cut at the token limit",
    "more than one choice; a promise of calls without calls",
    "tool schemas that strict servers refuse",
    "the free check says no where chat works",
    "the free check says yes where nothing was checked",
    "wrong base path",
    "errors inside HTTP 200",
    "no credit",
    "endless tries",
    "the reason that got lost",
    "parameters by host",
    "settings that do nothing",
    "bodies that others read",
    "invalid answers",
    "ids over turns and forks",
    "a key that comes back",
    "small ones",
)

MCP = (
    "children that rename across folders",
    "a start that takes minutes",
    "redirects",
    "one bad tool",
    "schemas that no model takes",
    "answers with odd content",
    'a result that is no object; HTTP 400 with -32000 "no valid session"',
    "what people read",
    "a server deleted in mid-run",
    "tools that need tasks",
    '`command: "uvx mcp-server-fetch"`',
)

KUBERNETES = (
    "a refused create that nobody hears of",
    "a finalizer that outlives its purpose",
    "the embedded server hides it",
    "unfinished runs of the predecessor",
    "manifests in use",
    "what a Task says",
    "words that mislead",
    "install and overlay",
    "rights",
    "time goes backwards",
    "two `kubechain dev` in one folder",
    "`dev --model --data-dir` restarted",
    "a sample in the way",
    "references that wait for ever",
    "tools that are Ready and cannot work",
    "limits that do not bind",
    "what comes too late",
    "waiting in a script",
    "the operator's own words",
    "the plan",
    "connections that are reset",
    "the API server refuses our own writes for a while",
    "the code of a refusal decides too much",
    "a result that cannot be recorded for 30 s",
    "bombs at the embedded server",
    "disk and files",
    "foreign bytes on a terminal",
    "an address in disguise",
    "a static token that changes in the kubeconfig file",
)

CONTAINERS = (
    "CAs that Python 3.13 refuses",
    "an ordered stop that destroys work",
    'never started, told as "may have taken effect"',
    "a silent wait",
    "a time-out that loses the output",
    "an existing Job that nobody reads",
    "long output",
    "orphans of stdio servers",
    "words of kubelet that are dropped",
    "a Tool that says it is valid",
    "a slow trivial call",
    "small ones",
)

_PAGES = frozenset((*MODELS, *MCP, *KUBERNETES, *CONTAINERS))
_NAMED: dict[str, set[str]] = {}

Test = Callable[..., Any]


def case(kind: str, inputs: Mapping[str, Any]) -> Callable[[Test], Test]:
    """Parametrize a test by `given`, one of the inputs of a kind.

    Args:
        kind: Words of the page.
        inputs: Value by the words that tell it from the others.
    """
    assert kind in _PAGES, kind

    def decorate(test: Test) -> Test:
        _NAMED.setdefault(test.__module__, set()).add(kind)
        params = [pytest.param(value, id=f"{kind}: {words}") for words, value in inputs.items()]
        return pytest.mark.parametrize("given", params)(test)

    return decorate


def missing(page: tuple[str, ...], module: str, elsewhere: Mapping[str, str]) -> list[str]:
    """The kinds of a page that no test of a module names, in the page's order.

    Args:
        module: Modules whose names go on after this one's belong to it.
        elsewhere: Why a kind has no test in that module, by kind.
    """
    stem = module.rpartition(".")[2]
    for path in Path(__file__).parent.glob(f"{stem}_*.py"):
        import_module(f"{__package__}.{path.stem}")
    named = {kind for name, kinds in _NAMED.items() if stem in name for kind in kinds}
    return [kind for kind in page if kind not in named and kind not in elsewhere]
