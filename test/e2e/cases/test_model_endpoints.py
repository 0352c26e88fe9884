"""What model servers do at their endpoints, kind by kind: checks, addresses, failures, settings.

One namespace holds an LLM for each scene, and a run for each scene that is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from test.e2e.cases.endpoints import ANSWER, NOT_FOUND, WELCOME, Endpoints, Scene, error
from test.e2e.cases.rows import case
from test.e2e.cluster import Namespace
from test.e2e.manifests import API_VERSION, a_secret, an_agent, an_llm
from test.e2e.processes import Program

NO_SCOPE = (403, error("You have insufficient permissions. Missing scopes: api.model.read"))
LIST = [{"id": "other"}]
DETAIL = {"detail": [{"loc": ["body", "messages", 0], "msg": "Field required", "type": "missing"}]}
RAW = {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": '{"error": "No such mode."}'}}}

CHECKED: dict[str, Scene] = {
    "no-scope": Scene(NO_SCOPE, NO_SCOPE),
    "bare-list": Scene(NOT_FOUND, (200, LIST)),
    "slash": Scene((400, error("bad path")), NOT_FOUND),
    "empty-list": Scene(NOT_FOUND, (200, {"object": "list", "data": []})),
    "alias": Scene(NOT_FOUND, (200, {"object": "list", "data": LIST})),
    "strict": Scene(is_strict=True),
    "public": Scene(),
    "nothing": Scene(NOT_FOUND, NOT_FOUND, (NOT_FOUND,)),
    "page": Scene((200, WELCOME), (200, WELCOME), ((200, WELCOME),)),
    "inside": Scene((200, error("bad key", "invalid_api_key"))),
}
CALLED: dict[str, Scene] = {
    "path": Scene(chat=(NOT_FOUND,)),
    "path-page": Scene(chat=((200, WELCOME),)),
    "inside-key": Scene(chat=((200, error("bad key", "invalid_api_key")),)),
    "inside-429": Scene(chat=((200, error("slow down", "429")), (200, ANSWER))),
    "inside-text": Scene(chat=((200, {"error": "Invalid API key"}),)),
    "inside-flat": Scene(chat=((200, {"code": "ModelNotExist", "message": "gone"}),)),
    "inside-msg": Scene(chat=((200, {"code": 401, "msg": "token expired"}),)),
    "credit-moonshot": Scene(chat=((429, error("suspended", type="exceeded_current_quota_error")),)),
    "credit-zhipu": Scene(chat=((429, error("余额不足", "1113")),)),
    "credit-402": Scene(chat=((402, {}),)),
    "credit-403": Scene(chat=((403, error("You have run out of credits, please add credits")),)),
    "credit-400": Scene(chat=((400, error("Access denied", "Arrearage")),)),
    "endless-500": Scene(chat=((500, error("broken")),)),
    "reason-422": Scene(chat=((422, DETAIL),)),
    "reason-plain": Scene(chat=((400, b"No such mode.\n"),)),
    "reason-list": Scene(chat=((400, {"errors": [{"message": "No such mode."}]}),)),
    "reason-raw": Scene(chat=((400, RAW),)),
    "reason-string": Scene(chat=((400, "No such mode."),)),
    "field": Scene(),
    "retries": Scene(chat=((503, error("busy")),)),
    "wait": Scene(chat=((429, error("slow down")), (200, ANSWER)), headers={"Retry-After": "1s"}),
    "wait-body": Scene(chat=((429, error("slow", details=[{"retryDelay": "1s"}])), (200, ANSWER))),
}


@dataclass(frozen=True, slots=True)
class Played:
    """The LLMs of all scenes, and the runs of those that are called, over."""

    namespace: Namespace
    endpoints: Endpoints

    def llm(self, scene: str, *statuses: str) -> dict[str, Any]:
        """The status of an LLM, once it has one of these summaries."""
        self.namespace.until(
            lambda: self.namespace.get("llm", scene).get("status", {}).get("status") in statuses,
            watch="llm",
            what=f"LLM {scene} is {statuses}",
        )
        return self.namespace.get("llm", scene)["status"]

    def run(self, scene: str) -> dict[str, Any]:
        """The status of a run that is over."""
        self.namespace.until(
            lambda: self.namespace.get("taskrun", scene).get("status", {}).get("completionTime") is not None,
            watch="taskrun",
            what=f"TaskRun {scene} is over",
        )
        return self.namespace.get("taskrun", scene)["status"]


@pytest.fixture(scope="module")
def played(make_namespace: Callable[[str], Namespace], manager: Program) -> Iterator[Played]:
    assert manager.popen is not None
    namespace = make_namespace("endpoints")
    with Endpoints(CHECKED | CALLED) as endpoints:
        namespace.apply(a_secret(), *_checked(endpoints), *_called(endpoints))
        yield Played(namespace, endpoints)


def _checked(endpoints: Endpoints) -> Iterator[dict[str, Any]]:
    for name in CHECKED:
        yield an_llm(name, base_url=endpoints.base_url(name), model="meta/m" if name == "slash" else "m")
    yield an_llm("rate", base_url=endpoints.base_url("public"), model="m", rateLimit={"requestsPerMinute": 1})
    yield an_llm("fallbacks", base_url=endpoints.base_url("public"), model="m", fallbacks=[{"name": "nowhere"}])
    yield an_llm("tls", base_url=f"https://127.0.0.1:{endpoints.port}/v1", model="m")


def _called(endpoints: Endpoints) -> Iterator[dict[str, Any]]:
    settings: dict[str, dict[str, Any]] = {
        "field": {"openai": {"maxTokensField": "max_completion_tokens"}},
        "retries": {"provider": "mistral", "mistral": {"maxRetries": 1}},
    }
    for name in CALLED:
        llm = an_llm(name, base_url=endpoints.base_url(name), model="m", validation="None", **settings.get(name, {}))
        llm["spec"]["parameters"]["maxTokens"] = 9
        yield llm
        yield an_agent(name, llm=name, limits={"retryFor": "4s"} if name == "endless-500" else {})
        yield {
            "apiVersion": API_VERSION,
            "kind": "TaskRun",
            "metadata": {"name": name},
            "spec": {"agentRef": {"name": name}, "userMessage": "Hello?"},
        }


@case(
    "the free check says no where chat works",
    {
        "403 missing scopes": ("no-scope", "Missing scopes"),
        "404 and a bare array": ("bare-list", "the model is not listed"),
        "400 on %2F": ("slash", "bad path"),
        "404 and an empty list": ("empty-list", "the list is empty"),
        "an alias that the list does not have": ("alias", "the model is not listed"),
    },
)
def test_the_llm_is_ready_and_unverified(played: Played, given: tuple[str, str]) -> None:
    scene, tried = given
    status = played.llm(scene, "Ready", "Error")
    assert status["status"] == "Ready", status["statusDetail"]
    assert tried in status["statusDetail"]
    assert [one["status"] for one in status["conditions"] if one["type"] == "Unverified"] == ["True"]


@case(
    "the free check says yes where nothing was checked",
    {
        "both paths 404": ("nothing", "Error", "check baseUrl"),
        "an HTML page with 200": ("page", "Error", "check baseUrl"),
        "200 with an error": ("inside", "Error", "bad key"),
        "a public list": ("public", "Ready", "accepts any key"),
        "a wrong key is refused": ("strict", "Ready", "OpenAI API key validated successfully"),
    },
)
def test_no_more_is_said_than_was_proved(played: Played, given: tuple[str, str, str]) -> None:
    scene, expected, detail = given
    status = played.llm(scene, "Ready", "Error")
    assert status["status"] == expected, status["statusDetail"]
    assert detail in status["statusDetail"]


@case("wrong base path", {"a path that is not there": "path", "a web page": "path-page"})
def test_the_url_and_the_repair_are_named_at_once(played: Played, given: str) -> None:
    status = played.run(given)
    assert status["phase"] == "Failed"
    assert f"{played.endpoints.base_url(given)}/chat/completions" in status["error"]
    assert "check baseUrl" in status["error"]
    assert "model not found" not in status["error"]
    assert len(CALLED[given].calls) == 1


@case(
    "errors inside HTTP 200",
    {
        "invalid_api_key": ("inside-key", "Failed", "authentication failed"),
        "429 as text": ("inside-429", "FinalAnswer", ""),
        "error is a text": ("inside-text", "Failed", "Invalid API key"),
        "code and message": ("inside-flat", "Failed", "model not found"),
        "code and msg": ("inside-msg", "Failed", "token expired"),
    },
)
def test_an_error_counts_by_its_meaning(played: Played, given: tuple[str, str, str]) -> None:
    scene, phase, words = given
    status = played.run(scene)
    assert status["phase"] == phase, status
    assert words in status.get("error", "")


@case(
    "no credit",
    {name.removeprefix("credit-"): name for name in CALLED if name.startswith("credit-")},
)
def test_no_credit_ends_the_run_and_the_llm_says_so(played: Played, given: str) -> None:
    assert played.run(given)["error"].startswith("quota exhausted: ")
    assert played.llm(given, "Error")["statusDetail"].startswith("quota exhausted: ")
    assert len(CALLED[given].calls) == 1


@case("endless tries", {"a 500 for each call": "endless-500"})
def test_the_tries_end_and_each_is_counted(played: Played, given: str) -> None:
    status = played.run(given)
    assert status["phase"] == "Failed"
    assert "broken" in status["error"]
    assert "limits.retryFor" in status["error"]
    assert status["usage"]["modelCalls"] == len(CALLED[given].calls) > 1


@case(
    "the reason that got lost",
    {
        "422 with a list": ("reason-422", "body.messages.0: Field required"),
        "plain text": ("reason-plain", "No such mode."),
        "errors": ("reason-list", "No such mode."),
        "metadata.raw": ("reason-raw", "No such mode."),
        "a JSON string": ("reason-string", "No such mode."),
    },
)
def test_the_providers_words_reach_the_status(played: Played, given: tuple[str, str]) -> None:
    scene, words = given
    assert words in played.run(scene)["statusDetail"]


@case("parameters by host", {"a field that chooses": "field"})
def test_the_field_of_the_token_limit_is_chosen(played: Played, given: str) -> None:
    assert played.run(given)["phase"] == "FinalAnswer"
    (body,) = CALLED[given].calls
    assert {name: body[name] for name in body if name.startswith("max_")} == {"max_completion_tokens": 9}


@case("settings that do nothing", {"rateLimit": "rateLimit", "fallbacks": "fallbacks", "maxRetries": "maxRetries"})
def test_a_setting_acts_or_is_refused(played: Played, given: str) -> None:
    if given == "maxRetries":
        assert "maxRetries of the LLM allows 1" in played.run("retries")["error"]
        assert len(CALLED["retries"].calls) == 2
        return
    if given == "rateLimit":
        assert played.llm("rate", "Error", "Ready")["status"] == "Ready"
        return
    status = played.llm("fallbacks", "Error", "Ready")
    (told,) = (one for one in status["conditions"] if one["type"] == "FallbacksReady")
    assert (status["status"], told["status"]) == ("Ready", "False")
    assert told["message"] == 'runs pass over: LLM "nowhere" does not exist'


@case("small ones", {"Retry-After 1s": "wait", "RetryInfo in the body": "wait-body", "https at a port without": "tls"})
def test_small_ones(played: Played, given: str) -> None:
    if given == "tls":
        assert f"port {played.endpoints.port} may want http" in played.llm("tls", "Pending")["statusDetail"]
        return
    assert played.run(given)["phase"] == "FinalAnswer"
    assert len(CALLED[given].calls) == 2
