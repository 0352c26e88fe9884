"""Each case on one API server: the embedded one, or with KUBECHAIN_E2E=real kube-apiserver."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from packages.apiserver.conformance.cases import AREAS
from packages.apiserver.conformance.omissions import OMISSIONS
from packages.apiserver.conformance.servers import Server, ServerName, running
from packages.apiserver.conformance.suite import Entry, definitions, entries


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of the session."""
    name = cast("ServerName", os.environ.get("KUBECHAIN_E2E", "embedded"))
    with running(name, tmp_path_factory.mktemp("conformance"), definitions()) as server:
        yield server


@pytest.mark.parametrize("entry", [*entries()], ids=lambda entry: f"{entry.area}: {entry.case.name}")
def test_it_answers_as_kube_apiserver_does(entry: Entry, api_server: Server) -> None:
    if entry.expected is None and entry.area.startswith("kubectl"):
        pytest.skip(f"{entry.area} is not recorded")
    differences = entry.differences(api_server)
    if entry.omission and api_server.name == "embedded":
        assert differences, f"it is no omission any more: {entry.omission}"
        return
    assert not differences, "\n".join(differences)


def test_every_omission_is_documented_and_names_a_case() -> None:
    documented = (Path(__file__).parents[3] / "docs" / "api-server.md").read_text()
    cases = {area: {case.name for case in cases} for area, cases in AREAS.items()}
    for area, omissions in OMISSIONS.items():
        assert omissions.keys() <= cases[area]
        for name in omissions.values():
            assert f"| {name} |" in documented
