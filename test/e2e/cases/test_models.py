"""What model servers do, kind by kind: the page's words are the ids."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from test.e2e.cases.answering import TOLD, Scene, Stage, a_body, a_call, asked, said, scene
from test.e2e.cases.rows import MODELS, case, missing
from test.e2e.cluster import Namespace, condition
from test.e2e.manifests import a_builtin, a_secret, a_task, a_taskrun, a_tool, an_agent, an_llm
from test.e2e.model import MockModel
from test.e2e.processes import Program

ELSEWHERE: dict[str, str] = dict.fromkeys(
    (
        "the free check says no where chat works",
        "the free check says yes where nothing was checked",
        "wrong base path",
        "errors inside HTTP 200",
        "no credit",
        "endless tries",
        "the reason that got lost",
        "parameters by host",
        "settings that do nothing",
        "small ones",
    ),
    "in test_model_endpoints.py, which has a server of its own",
)
"""Why a kind has no test here, by kind."""


KEY = "sk-live-51Hq8Zx2Kd9Lm4Np7"
LONG_CALL = '{"a": 2, "b": 3, "c": "%s"}' % ("x" * 65_537)
BODY = said()
SIGNATURE: dict[str, Any] = {"extra_content": {"google": {"thought_signature": "c2lnbmF0dXJl"}}}
CUT_CALL = a_call('{"a": 1, "b')
TWO_CHOICES = {
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "I add."}, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "tool_calls": [a_call()]}, "finish_reason": "tool_calls"},
    ]
}

SCENES: dict[str, Scene] = {
    "own-signature": scene(asked(a_call(**SIGNATURE)), insists="c2lnbmF0dXJl"),
    "own-reasoning": scene(asked(a_call(), reasoning_content="I have to add."), insists="I have to add."),
    "own-details": scene(asked(a_call(), reasoning_details=[{"type": "x", "data": "ZGF0YQ"}]), insists="ZGF0YQ"),
    "args-cut": scene(asked(CUT_CALL)),
    "args-token": scene(asked(a_call('{"a":1,"b":2}<|im_end|>'))),
    "args-null": scene(asked(a_call("null"))),
    "args-list": scene(asked(a_call("[]"))),
    "args-twice": scene(asked(a_call('"{\\"a\\":2,\\"b\\":3}"'))),
    "fits-arguments": scene(asked(a_call(LONG_CALL))),
    "fits-id": scene(asked(a_call(id="i" * 949))),
    "fits-name": scene(asked(a_call(name="n" * 300))),
    "fits-odd-name": scene(asked(a_call(name="no such tool!"))),
    "fits-usage": scene(said(usage={"prompt_tokens": 2**63, "completion_tokens": 1, "total_tokens": 2**64})),
    "fits-text": scene(said("x" * 1_048_577)),
    "inside-error": scene(said("Half an", "error"), BODY),
    "inside-abort": scene(said("Half an", "abort"), BODY),
    "inside-resource": scene(said("Half an", "insufficient_system_resource"), BODY),
    "inside-malformed": scene(said("Half an", "malformed_function_call"), BODY),
    "inside-partial": scene(said("Half an", error={"message": "upstream died", "code": 502}), BODY),
    "inside-safety": scene(said("Half an", "SAFETY")),
    "cut-text": scene(said("Half an", "length")),
    "cut-nothing": scene(said("", "length")),
    "cut-thoughts": scene(a_body({"reasoning_content": "Hm"}, "length")),
    "cut-call": scene(asked(CUT_CALL, finish="length"), BODY),
    "choices-two": scene(json.dumps(TWO_CHOICES).encode(), BODY),
    "choices-promise": scene(said("I will add.", "tool_calls"), BODY),
    "body-bom": scene(b"\xef\xbb\xbf" + BODY),
    "body-nan": scene(BODY.replace(b'"index": 0', b'"index": 0, "logprob": NaN')),
    "body-surrogate": scene(BODY.replace(TOLD.encode(), TOLD.encode() + b"\\ud83d")),
    "body-201": scene(BODY, status=201),
    "body-float": scene(said(usage={"prompt_tokens": 20.0, "completion_tokens": 5.0, "total_tokens": 25.0})),
    "invalid-reasoning": scene(a_body({"reasoning_content": "Hm"}), BODY),
    "invalid-blank": scene(said("\n\n"), BODY),
    "invalid-two": scene(said(""), said(""), BODY),
    "ids-same": scene(asked(a_call(id="call_0")), asked(a_call(id="call_0")), BODY),
    "ids-ours": scene(asked(a_call(id="t0c1"), a_call(id="")), BODY),
    "ids-fork": scene(asked(a_call(id=""), a_call(id="t0c1")), BODY),
}
KEY_SCENES: dict[str, Scene] = {
    "key-model": scene(said(model=KEY)),
    "key-name": scene(asked(a_call(name=KEY))),
    "key-id": scene(asked(a_call(id=KEY))),
    "key-text": scene(said(f"Your key is {KEY}.")),
    "key-arguments": scene(asked(a_call(json.dumps({"a": 1, "b": 2, "key": KEY}), note=KEY))),
    "key-hex": scene(json.dumps({"error": {"message": f"bad {KEY.encode().hex()}", "code": 400}}).encode(), status=400),
    "key-base64": scene(b64encode(f"x {KEY} y".encode()), status=400),
}
ODD_SCHEMAS: dict[str, dict[str, Any]] = {
    "bare": {"type": "object"},
    "alternatives": {"anyOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"required": ["a"]}]},
    "list": {"type": "object", "properties": {"a": {"type": "array"}}},
    "document": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"type": "string"}},
    },
}


@pytest.fixture(scope="module")
def played(make_namespace: Callable[[str], Namespace], manager: Program, model: MockModel) -> dict[str, dict[str, Any]]:
    """The runs of all scenes, over: each by the scene's name."""
    namespace, stage = make_namespace("answers"), Stage(SCENES | KEY_SCENES)
    for name in ("answers", "answers-with-key"):
        model[name].respond = stage.respond
    api = {"url": "http://127.0.0.1:9/never"}
    tools = [
        a_tool(name, toolType="externalAPI", parameters=schema, execute={"externalAPI": api})
        for name, schema in ODD_SCHEMAS.items()
    ]
    offered = [{"name": name} for name in ("add", *ODD_SCHEMAS)]
    namespace.apply(
        a_secret(),
        a_secret("key", OPENAI_API_KEY=KEY),
        an_llm(base_url=model.base_url, model="answers"),
        an_llm("with-key", base_url=model.base_url, model="answers-with-key", secret="key"),
        a_builtin(),
        *tools,
        an_agent(tools=offered),
        an_agent("with-key", llm="with-key", tools=[{"name": "add"}]),
        *(a_task(name, message=name) for name in SCENES if name != "ids-fork"),
        *(a_task(name, message=name, agent="with-key") for name in KEY_SCENES),
    )
    namespace.finished("ids-ours-1")
    window = namespace.get("taskrun", "ids-ours-1")["status"]["contextWindow"]
    fork = a_taskrun("ids-fork-1", task="")
    fork["spec"] = {"agentRef": {"name": "my-assistant"}, "contextWindow": window, "userMessage": "ids-fork"}
    namespace.apply(fork)
    namespace.kubectl("wait", "--for=condition=Finished", "taskrun", "--all", "--timeout=120s")
    runs = {run["metadata"]["name"].removesuffix("-1"): run for run in namespace.list("taskruns")}
    assert runs.keys() == SCENES.keys() | KEY_SCENES.keys()
    for name, run in runs.items():
        run["calls"] = len(stage.calls[name])
        run["results"] = stage.calls[name][-1].results
        run["everything"] = json.dumps(namespace.events("TaskRun", f"{name}-1")) + json.dumps(run)
    calls = json.dumps(namespace.list("taskruntoolcalls"))
    runs["key-everything"] = {"everything": calls + manager.log.read_text(errors="replace")}
    return runs


def outcome(run: dict[str, Any]) -> tuple[str, str]:
    """Phase and output; a failure shows why."""
    status = run["status"]
    return status["phase"], status.get("output") or status.get("error", "")


@case(
    "provider's own fields of the assistant turn",
    {"a signature": "own-signature", "reasoning_content": "own-reasoning", "reasoning_details": "own-details"},
)
def test_the_same_provider_gets_its_own_fields_back(played: dict[str, dict[str, Any]], given: str) -> None:
    assert outcome(played[given]) == ("FinalAnswer", TOLD)


@case(
    "arguments that are no JSON object",
    {
        "cut": ("args-cut", "error: arguments: not valid JSON"),
        "with a token of the model": ("args-token", "error: arguments: not valid JSON"),
        "null": ("args-null", '"a" is a required property'),
        "a list": ("args-list", "must be a JSON object, not an array"),
        "encoded twice": ("args-twice", "5"),
    },
)
def test_the_model_is_told_and_the_run_goes_on(played: dict[str, dict[str, Any]], given: tuple[str, str]) -> None:
    name, told = given
    assert outcome(played[name]) == ("FinalAnswer", TOLD)
    assert told in played[name]["results"]["c1"]


@case(
    "an answer that does not fit the status",
    {
        "arguments of 65,537 characters": "fits-arguments",
        "an id of 949": "fits-id",
        "a name of 300": "fits-name",
        "a name that no server takes": "fits-odd-name",
        "a usage of 2^63": "fits-usage",
        "a text of 1,048,577": "fits-text",
    },
)
def test_it_is_made_to_fit_and_counted(played: dict[str, dict[str, Any]], given: str) -> None:
    status = played[given]["status"]
    assert status["phase"] == "FinalAnswer", status.get("error")
    assert status["usage"]["modelCalls"] == played[given]["calls"]
    assert 0 < status["usage"]["totalTokens"] < 2**53
    is_cut = given == "fits-text"
    assert [one["reason"] for one in status["conditions"] if one["type"] == "Truncated"] == ["TextTooLong"] * is_cut


@case(
    "a failure after HTTP 200",
    {
        "finish_reason error": "inside-error",
        "finish_reason abort": "inside-abort",
        "finish_reason insufficient_system_resource": "inside-resource",
        "finish_reason malformed_function_call": "inside-malformed",
        "an error beside a partial answer": "inside-partial",
        "finish_reason SAFETY": "inside-safety",
    },
)
def test_a_partial_answer_is_no_answer(played: dict[str, dict[str, Any]], given: str) -> None:
    if given == "inside-safety":
        assert outcome(played[given]) == ("Failed", "answer stopped by the provider's content filter: SAFETY")
        return
    assert outcome(played[given]) == ("FinalAnswer", TOLD)
    assert played[given]["status"]["usage"] == usage_of(2)
    assert "LLMRequestFailed" in played[given]["everything"]


def usage_of(calls: int) -> dict[str, int]:
    """What so many calls are counted as."""
    return {"inputTokens": 20 * calls, "outputTokens": 5 * calls, "totalTokens": 25 * calls, "modelCalls": calls}


@case(
    "cut at the token limit",
    {"with text": "cut-text", "without text": "cut-nothing", "in its thoughts": "cut-thoughts", "a call": "cut-call"},
)
def test_a_cut_answer_is_said(played: dict[str, dict[str, Any]], given: str) -> None:
    run, status = played[given], played[given]["status"]
    assert "maxTokens" in status["statusDetail"]
    assert (run["calls"], status["usage"]["modelCalls"]) == (1, 1)
    if given != "cut-text":
        assert status["phase"] == "Failed"
        return
    assert outcome(run) == ("FinalAnswer", "Half an")
    assert condition(run, "Truncated")["reason"] == "TokenLimitReached"
    assert "AnswerTruncated" in run["everything"]


@case(
    "more than one choice; a promise of calls without calls",
    {"text in one, calls in the other": "choices-two", "a promise": "choices-promise"},
)
def test_the_calls_of_every_choice_are_made(played: dict[str, dict[str, Any]], given: str) -> None:
    assert outcome(played[given]) == ("FinalAnswer", TOLD)
    assert played[given]["calls"] == 2
    assert played[given]["results"] == ({"c1": "5"} if given == "choices-two" else {})
    assert ("promises tool calls" in played[given]["everything"]) == (given == "choices-promise")


@case("tool schemas that strict servers refuse", {"four of them beside a good one": "own-signature"})
def test_a_strict_server_takes_the_schemas(played: dict[str, dict[str, Any]], given: str) -> None:
    offered = {tool["name"] for tool in played[given]["status"]["pinned"]["tools"]}
    assert offered == {"add", *ODD_SCHEMAS}  # the server refuses the whole request for one that is not repaired
    assert outcome(played[given]) == ("FinalAnswer", TOLD)


@case(
    "bodies that others read",
    {
        "BOM": "body-bom",
        "NaN": "body-nan",
        "a lone surrogate": "body-surrogate",
        "HTTP 201": "body-201",
        "usage as float": "body-float",
    },
)
def test_they_are_read(played: dict[str, dict[str, Any]], given: str) -> None:
    phase, output = outcome(played[given])
    assert (phase, output[: len(TOLD)]) == ("FinalAnswer", TOLD)
    assert played[given]["status"]["usage"] == usage_of(1)


@case(
    "invalid answers",
    {
        "only reasoning_content": ("invalid-reasoning", 2, "only reasoning"),
        "blank lines": ("invalid-blank", 2, "only blank text"),
        "two empty ones and a good one": ("invalid-two", 3, "neither text nor tool calls"),
    },
)
def test_each_is_counted_and_said(played: dict[str, dict[str, Any]], given: tuple[str, int, str]) -> None:
    name, calls, words = given
    assert outcome(played[name]) == ("FinalAnswer", TOLD)
    assert played[name]["status"]["usage"] == usage_of(calls)
    assert words in played[name]["everything"]


@case(
    "ids over turns and forks",
    {"the same id each turn": "ids-same", "one that looks like ours": "ids-ours", "a fork": "ids-fork"},
)
def test_ids_are_unique_in_what_is_sent(played: dict[str, dict[str, Any]], given: str) -> None:
    assert outcome(played[given]) == ("FinalAnswer", TOLD)
    window = played[given]["status"]["contextWindow"]
    ids = [call["id"] for message in window for call in message.get("toolCalls", ())]
    assert len(ids) == len(set(ids)) == (4 if given == "ids-fork" else 2)


@case(
    "a key that comes back",
    {
        "as the model": "key-model",
        "as a tool's name": "key-name",
        "as the id of a call": "key-id",
        "in the answer": "key-text",
        "in arguments": "key-arguments",
        "as hex in an error": "key-hex",
        "as base64 in an error": "key-base64",
        "in tool calls and the log": "key-everything",
    },
)
def test_the_key_is_in_no_status_event_or_log(played: dict[str, dict[str, Any]], given: str) -> None:
    everything = played[given]["everything"]
    assert KEY not in everything
    assert KEY.encode().hex() not in everything
    assert b64encode(KEY.encode()).decode().rstrip("=")[4:-4] not in everything


def test_each_kind_of_the_page_has_a_test() -> None:
    assert not missing(MODELS, __name__, ELSEWHERE)
