"""The stories that are broken at every point: which objects exist, what the model wants, what people do meanwhile.

In the order in which they are easiest to understand. What must not go here: what must hold.
"""

from __future__ import annotations

from collections.abc import Mapping

from test.simulation.scenarios import (
    agents,
    approvals,
    asking,
    budgets,
    continuing,
    deliveries,
    fallbacks,
    forms,
    growth,
    isolation,
    managers,
    moments,
    runs,
    shards,
    spending,
    tools,
    typed,
)
from test.simulation.scenarios.scenario import Scenario

__all__ = ["ALL", "BY_NAME", "Scenario"]

ALL: tuple[Scenario, ...] = (
    *runs.ALL,
    *tools.ALL,
    *isolation.ALL,
    *moments.ALL,
    *agents.ALL,
    *approvals.ALL,
    *budgets.ALL,
    *asking.ALL,
    *forms.ALL,
    *deliveries.ALL,
    *managers.ALL,
    *shards.ALL,
    *growth.ALL,
    *fallbacks.ALL,
    *typed.ALL,
    *spending.ALL,
    *continuing.ALL,
)

BY_NAME: Mapping[str, Scenario] = {scenario.name: scenario for scenario in ALL}
