"""How often a run without faults reads an object from the API server instead of its cache: golden numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from kubechain.runtime.client import Client
from kubechain.runtime.resource import Resource
from test.simulation.plans import REFERENCE
from test.simulation.scenarios import BY_NAME
from test.simulation.simulation import simulate

SEED = 11


@pytest.mark.parametrize(
    ("name", "of_task", "of_run"),
    [
        pytest.param("plain", 1, 0, id="a run without tools"),
        pytest.param("one-tool-call", 1, 2, id="a call that acts outside"),
        pytest.param("parallel-calls", 1, 6, id="three calls that act outside"),
    ],
)
def test_a_run_is_read_from_the_api_server_for_calls_that_act_outside_alone(
    name: str, of_task: int, of_run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Task creates its run, and is decided on as the server has it: what the cache still asks for may be over.

    A call that acts outside reads its run twice: before its claim, since a manager whose cache is behind may have made
    the call again, and before its release. The reply to W3 is live: W4 reads nothing.
    """
    reads: Counter[str] = Counter()
    get = Client.get

    async def counted(client: Client, resource: Resource[Any], namespace: str, name: str) -> Any:
        reads[resource.kind] += 1
        return await get(client, resource, namespace, name)

    monkeypatch.setattr(Client, "get", counted)
    assert simulate(BY_NAME[name], REFERENCE, SEED).violations == ()
    assert (reads["Task"], reads["TaskRun"], reads["TaskRunToolCall"]) == (of_task, of_run, 0)
