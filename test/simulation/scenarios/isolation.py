"""MCP servers in Pods of their own: each of their objects is made, whatever breaks before and after it."""

from __future__ import annotations

from test.simulation.fakes import asks
from test.simulation.scenarios import objects, people
from test.simulation.scenarios.scenario import Scenario

ALL: tuple[Scenario, ...] = (
    Scenario(
        name="mcp-in-pod",
        arrange=objects.mcp_server_in_pod,
        script=asks([("shop__lookup", "{}"), ("shop__order", "{}")]),
        is_hosting=True,
    ),
    Scenario(
        name="mcp-in-pod-sleeps",
        arrange=objects.mcp_server_that_sleeps,
        script=asks([("shop__lookup", "{}")], [("shop__order", "{}")]),
        during={"model hello/4": people.take_their_time},
        is_hosting=True,
    ),
    Scenario(
        name="two-managers-mcp-in-pod",
        arrange=objects.mcp_server_in_pod,
        script=asks([("shop__lookup", "{}")]),
        is_hosting=True,
        managers=2,
    ),
)
