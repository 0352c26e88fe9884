"""MCP servers that ask people before they carry a call out: forms and pages, and what may become of them."""

from __future__ import annotations

from functools import partial

from kubechain.api.taskrun import TaskRunPhase
from test.simulation.cluster import Cluster
from test.simulation.fakes import asks
from test.simulation.scenarios import deciding, objects, people
from test.simulation.scenarios.deciding import APPEARS, CALL
from test.simulation.scenarios.scenario import Scenario

ORDER = asks([("shop__order", "{}")])
SIZE = '{"size": 3}'
SECOND = f"{CALL}-2"


def shop(*words: str) -> objects.Arrange:
    """A server that asks before it takes an order.

    Args:
        words: What it asks for, in order: form, page.
    """

    def arrange(cluster: Cluster) -> None:
        objects.mcp_server(cluster)
        cluster.patch("mcpservers", "shop", {"spec": {"url": f"https://mcp.example/asks-{'-'.join(words)}"}})

    return arrange


form = partial(Scenario, arrange=shop("form"), script=ORDER)

ALL: tuple[Scenario, ...] = (
    form(name="form", during={APPEARS: deciding.decides("Answer", answer=SIZE)}),
    form(name="form-declined", during={APPEARS: deciding.decides("Reject")}),
    form(
        name="form-wrong",
        during={
            f"{APPEARS}{CALL}": deciding.decides("Answer", answer='{"size": "large"}'),
            f"{APPEARS}{SECOND}": deciding.decides("Answer", SECOND, answer=SIZE),
        },
    ),
    form(name="form-expires", expire_after="10m", during={APPEARS: deciding.decides_late(1_200.0, "Answer")}),
    form(
        name="form-cancelled",
        during={APPEARS: deciding.once_asked(people.cancel())},
        ends={"hello-1": TaskRunPhase.CANCELLED},
    ),
    form(name="page", arrange=shop("page"), during={APPEARS: deciding.decides("Done")}),
    form(
        name="form-then-page",
        arrange=shop("form", "page"),
        during={
            f"{APPEARS}{CALL}": deciding.decides("Answer", answer=SIZE),
            f"{APPEARS}{SECOND}": deciding.decides("Done", SECOND),
        },
    ),
    form(
        name="rivals-form",
        during={APPEARS: deciding.decides("Answer", answer=SIZE)},
        managers=2,
        elects=False,
    ),
)
