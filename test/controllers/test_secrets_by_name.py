"""A manager that may get Secrets and not watch them: the real control loops on virtual time."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from kubechain.api.llm import LLM
from kubechain.api.message import Message
from kubechain.api.meta import StatusType
from kubechain.api.taskrun import TaskRunPhase
from kubechain.api.tool import Tool
from kubechain.llm.client import Completion, Target, ToolDefinition, Verdict
from kubechain.llm.errors import AuthenticationFailed
from kubechain.llm.fake import FakeLLMClient, answer
from test.controllers.world import KEY, NAMESPACE, Replica, World, a_world
from test.simulation.rights import SecretsByName

NEW_KEY = "sk-another-0123456789"
LONGEST_SECONDS = 61.0
"""A minute, and a second for what follows from it."""


class Keyed(FakeLLMClient):
    """A provider that takes one key."""

    def __init__(self) -> None:
        super().__init__()
        self.key = KEY
        self.refused = 0

    async def check(self, target: Target, **options: Any) -> Verdict:
        self._look_at(target)
        return await super().check(target, **options)

    async def complete(
        self, target: Target, messages: Sequence[Message], tools: Sequence[ToolDefinition] = (), **options: Any
    ) -> Completion:
        self._look_at(target)
        return answer("none")

    def _look_at(self, target: Target) -> None:
        if target.api_key is None or target.api_key.get_secret_value() != self.key:
            self.refused += 1
            raise AuthenticationFailed("key refused: HTTP 401", http_status=401)


def by_name(world: World, model: FakeLLMClient) -> Replica:
    """A manager with the rights of config/rbac."""
    replica = world.replica(model)
    replica.exchange.inner = SecretsByName(replica.exchange.inner)
    return replica


async def llm_until(world: World, status: StatusType) -> LLM:
    async with asyncio.timeout(LONGEST_SECONDS):
        return await world.llm_until(lambda llm: llm.status.status == status)


async def set_key(world: World, value: str) -> None:
    data = {"data": {"OPENAI_API_KEY": base64.b64encode(value.encode()).decode()}}
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/openai"
    headers = {"accept": "application/json", "content-type": "application/merge-patch+json"}
    await world.client.request("PATCH", path, headers=headers, body=str(data).replace("'", '"').encode())


async def test_a_secret_that_comes_late_is_found_within_a_minute() -> None:
    async with a_world() as world:
        await world.apply_walk_through()
        await world.client.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/secrets/openai")
        by_name(world, Keyed())
        llm = await llm_until(world, StatusType.ERROR)
        assert llm.status.status_detail == 'Secret "openai" not found'
        await asyncio.sleep(3_600)
        await world.apply("secrets", {"metadata": {"name": "openai"}, "stringData": {"OPENAI_API_KEY": KEY}})
        await llm_until(world, StatusType.READY)


async def test_a_key_that_was_refused_is_tried_again_when_the_secret_has_another() -> None:
    async with a_world() as world:
        model = Keyed()
        model.key = NEW_KEY
        await world.apply_walk_through()
        by_name(world, model)
        await llm_until(world, StatusType.ERROR)
        await asyncio.sleep(300)
        asked = model.refused
        assert asked == 1  # the Secret is looked at, not the provider
        await set_key(world, NEW_KEY)
        await llm_until(world, StatusType.READY)


async def test_a_run_whose_key_was_rotated_goes_on_with_the_new_one() -> None:
    async with a_world() as world:
        model = Keyed()
        await world.apply_walk_through()
        by_name(world, model)
        await llm_until(world, StatusType.READY)
        await set_key(world, NEW_KEY)
        model.key = NEW_KEY
        await world.apply_task()
        run = await world.until(lambda run: run.status.is_over)
        assert run.status.phase == TaskRunPhase.FINAL_ANSWER
        assert model.refused == 1
        await llm_until(world, StatusType.READY)


async def test_nobody_reads_a_secret_that_nobody_uses() -> None:
    async with a_world() as world:
        await world.apply_walk_through()
        replica = by_name(world, Keyed())
        await llm_until(world, StatusType.READY)
        reads = list[str]()
        inner = replica.exchange.inner

        class Counting(SecretsByName):
            async def send(self, method: str, target: str, **given: Any) -> Any:
                reads.extend([target] if "/secrets/" in target else [])
                return await inner.send(method, target, **given)

        replica.exchange.inner = Counting(inner)
        await asyncio.sleep(86_400)
        assert reads == []


async def test_a_tool_waits_for_the_secret_of_its_header() -> None:
    def is_ready(tool: Tool) -> bool:
        return tool.status.status == StatusType.READY

    async with a_world() as world:
        api = {"url": "https://tools.example/book", "credentialsFrom": {"name": "tools", "key": "TOKEN"}}
        await world.apply("tools", {"metadata": {"name": "book"}, "spec": {"execute": {"externalAPI": api}}})
        by_name(world, Keyed())
        await world.tool_until(lambda tool: tool.status.status_detail == 'Secret "tools" not found')
        await asyncio.sleep(600)
        await world.apply("secrets", {"metadata": {"name": "tools"}, "stringData": {"TOKEN": "t"}})
        async with asyncio.timeout(LONGEST_SECONDS):
            await world.tool_until(is_ready)


@pytest.mark.parametrize(
    ("is_permitted", "line"),
    [
        pytest.param(True, "Secrets are watched: a change counts at once", id="watched"),
        pytest.param(
            False,
            "Secrets are read by name, without the right to list and watch them: a change counts at the next use",
            id="by name",
        ),
    ],
)
async def test_the_log_says_at_the_start_how_changes_are_learned(is_permitted: bool, line: str) -> None:
    async with a_world() as world:
        with capture_logs() as lines:
            replica = world.replica(Keyed()) if is_permitted else by_name(world, Keyed())
            await replica.manager.wait_synced()
            await asyncio.sleep(1.0)
        assert [one["event"] for one in lines if one["event"].startswith("Secrets are")] == [line]
