"""Runs to show: a family with every sort of thing in it, one of many turns, and one whose texts are hostile."""

from __future__ import annotations

import json
from typing import Any

from kubechain.api.humanrequest import HumanRequest
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.views.gathered import Gathered
from kubechain.views.story import Story
from kubechain.views.telling import story_of
from test.views.builders import SYSTEM, a_call, a_request, a_run, answer, at, result, user

HOSTILE = (
    "<script>window.owned = 1</script>",
    "<img src=x onerror='window.owned = 1'>",
    '"><svg onload=window.owned=1>',
    "' onmouseover='window.owned=1",
    "</pre></style></script><h1>owned</h1>",
    "</title><script>window.owned=1</script>",
    "{{ 7 * 7 }}{% raw %}",
    "[click](javascript:window.owned=1) **bold** ![x](http://evil.example/x.png)",
    "<!-- --><iframe srcdoc='<script>parent.owned=1</script>'></iframe>",
    "<a href='javascript:window.owned=1' autofocus tabindex=1>x</a><base href='//evil.example'>",
    "<form action=//evil.example><button>Approve</button></form>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "\u202egnp.exe \x1b]8;;http://evil.example\x07link\x1b]8;;\x07 \ud800 \x00 end",
    "&lt;b&gt; &amp;#60;script&amp;#62; \u2028 \u2029",
)
"""What a model, a tool or a person may have written."""


def record(turn: int, start: float, end: float, tokens: tuple[int, int], cost: str) -> dict[str, Any]:
    """What one turn took and spent."""
    return {
        "turn": turn,
        "startedAt": at(start),
        "endedAt": at(end),
        "inputTokens": tokens[0],
        "outputTokens": tokens[1],
        "cost": cost,
    }


def usage(tokens: int, spent: int, cost: str) -> dict[str, Any]:
    return {"inputTokens": tokens, "outputTokens": spent, "totalTokens": tokens + spent, "modelCalls": 3, "cost": cost}


def a_story_of_turns(count: int) -> Story:
    """A finished run of that many turns, each with a call."""
    return story_of(a_run_of_turns(count))


def a_run_of_turns(count: int) -> Gathered:
    """The objects of the same."""
    window: list[dict[str, Any]] = [SYSTEM, user("Read the whole archive.")]
    calls, records = list[TaskRunToolCall](), list[dict[str, Any]]()
    for turn in range(1, count + 1):
        start = -10.0 * (count - turn + 1)
        text = f"Turn {turn}: the shelf has volumes about gardens, rivers and the weather." + " More of it." * 20
        window.append(answer(text, (f"c{turn}", "read_volume", json.dumps({"volume": turn}))))
        window.append(result(f"c{turn}", f"Volume {turn} is about needle-{turn}. " + "A line of the book.\n" * 40))
        records.append(record(turn, start, start + 6, (900 + turn, 80), "0.0021"))
        calls.append(
            a_call(
                f"long-1-t{turn}-c0",
                f"c{turn}",
                "read_volume",
                run="long-1",
                arguments=json.dumps({"volume": turn}),
                phase="Failed" if turn % 50 == 0 else "Succeeded",
                startTime=at(start + 6),
                completionTime=at(start + 9),
                **({"error": "the shelf is empty"} if turn % 50 == 0 else {"result": window[-1]["content"]}),
            )
        )
    window.append(answer("The archive is about gardens."))
    run = a_run(
        "long-1",
        phase="FinalAnswer",
        contextWindow=window,
        turn=count + 1,
        toolCallCount=count,
        usage=usage(500_000, 24_000, "0.63"),
        startTime=at(-10.0 * count),
        completionTime=at(0),
        output="The archive is about gardens.",
        turnRecords=records[-12:],
    )
    return Gathered(run, tuple(calls))


def a_hostile_story() -> Story:
    """A run all of whose texts are hostile, as far as the API server lets them be."""
    window = [{"role": "system", "content": "".join(HOSTILE)}]
    calls, requests = list[TaskRunToolCall](), list[HumanRequest]()
    for place, text in enumerate(HOSTILE):
        window += [user(text), answer(text, (f"c{place}", text[:200], text)), result(f"c{place}", text)]
        asked = {
            "requestName": f"r{place}",
            "digest": "sha256:" + "0" * 64,
            "choice": "Approve",
            "by": text[:200],
            "comment": text,
            "at": at(-10),
        }
        calls.append(
            a_call(
                f"call{place}",
                f"c{place}",
                text[:200],
                arguments=text,
                phase="Succeeded",
                result=text,
                startTime=at(-20),
                completionTime=at(-5),
                approval=asked,
            )
        )
        more: dict[str, Any] = {"message": text, "tool": text[:200], "arguments": text, "requestedBy": text[:200]}
        requests.append(a_request(f"open{place}", "Question", choices=["Answer", "Reject"], **more))
    plan = [{"step": text, "status": "Pending"} for text in HOSTILE]
    run = a_run(
        phase="Failed",
        contextWindow=window,
        turn=len(HOSTILE),
        error="".join(HOSTILE),
        plan=plan,
        statusDetail=HOSTILE[0],
        completionTime=at(0),
    )
    return story_of(Gathered(run, tuple(calls), tuple(requests), gaps=HOSTILE))


def a_family() -> Story:
    """A finished research run: parallel tools, an approval that took hours, another agent's run, an error, a plan."""
    return story_of(a_gathered_family(is_over=True))


def an_open_family() -> Story:
    """The same before its end: it waits for a person."""
    return story_of(a_gathered_family(is_over=False))


_H = 3600.0


def a_gathered_family(*, is_over: bool) -> Gathered:
    """The objects of the same: with its answer, or while it waits for a person."""
    late = -120.0
    early = late - 2 * _H - 95
    delegate, search = "delegate_to_agent__release-notes", "web_search"
    first = [
        ("c1", search, '{"query": "kubernetes 1.36 removed apis"}'),
        ("c2", search, '{"query": "flowcontrol v1beta3 removal"}'),
        ("c3", "github__list_repos", '{"org": "acme", "limit": 50}'),
    ]
    publish = json.dumps(
        {"repo": "acme/platform", "title": "Remove flowcontrol v1beta3", "labels": ["upgrade", "1.36"]}
    )
    window = [
        {
            "role": "system",
            "content": "You prepare cluster upgrades. Ask before you open issues.",
        },
        user("Which of our manifests break with Kubernetes 1.36, and who has to act?"),
        answer("I look at the removed APIs and at our repositories at the same time.", *first),
        result("c1", "flowcontrol.apiserver.k8s.io/v1beta3 is removed in 1.36."),
        result("c2", "Use flowcontrol.apiserver.k8s.io/v1 instead; the fields are the same."),
        result("c3", '[{"name": "platform"}, {"name": "billing"}, {"name": "website"}]'),
        answer(
            "One API is removed. I let the release notes be read in full, and search our manifests.",
            ("c4", delegate, '{"message": "List every change of 1.36 that needs action."}'),
            ("c5", "grep_manifests", '{"pattern": "flowcontrol.*v1beta3"}'),
        ),
        result("c4", "Two changes need action: flowcontrol v1beta3, and the default of the kubelet's cgroup driver."),
        result("c5", "error: billing: permission denied", isError=True),
        answer("acme/platform uses the removed API. I propose an issue.", ("c6", "github__create_issue", publish)),
    ]
    calls = [
        _call(
            "c1",
            "t0-c0",
            search,
            first[0][2],
            early + 6,
            early + 11,
            "flowcontrol.apiserver.k8s.io/v1beta3 is removed in 1.36.",
        ),
        _call(
            "c2", "t0-c1", search, first[1][2], early + 6, early + 14, "Use flowcontrol.apiserver.k8s.io/v1 instead."
        ),
        _call(
            "c3",
            "t0-c2",
            "github__list_repos",
            first[2][2],
            early + 6,
            early + 9,
            '[{"name": "platform"}, {"name": "billing"}, {"name": "website"}]',
        ),
        _call(
            "c4",
            "t1-c0",
            delegate,
            '{"message": "List every change of 1.36 that needs action."}',
            early + 22,
            early + 72,
            "Two changes need action.",
            type="delegateToAgent",
        ),
        _call(
            "c5",
            "t1-c1",
            "grep_manifests",
            '{"pattern": "flowcontrol.*v1beta3"}',
            early + 22,
            early + 30,
            None,
            error="billing: permission denied",
            phase="Failed",
        ),
    ]
    asked: dict[str, Any] = {"requestName": "upgrade-1-t2-c0", "digest": "sha256:" + "0" * 64}
    if is_over:
        decided = {
            "choice": "Approve",
            "by": "ada@acme.example",
            "comment": "Good catch. Billing is with team B.",
            "identity": "Verified",
            "at": at(late),
        }
        calls.append(
            _call(
                "c6",
                "t2-c0",
                "github__create_issue",
                publish,
                early + 84,
                late + 3,
                '{"number": 417}',
                approval=asked | decided,
            )
        )
        window += [
            result("c6", '{"number": 417}'),
            answer(ANSWER),
        ]
    else:
        calls.append(
            _call(
                "c6",
                "t2-c0",
                "github__create_issue",
                publish,
                None,
                None,
                None,
                phase="AwaitingHumanApproval",
                approval=asked,
            )
        )
    records = [
        record(1, early, early + 6, (1_840, 212), "0.0071"),
        record(2, early + 14, early + 22, (2_660, 186), "0.0092"),
        record(3, early + 74, early + 84, (3_950, 268), "0.0136"),
    ]
    records += [record(4, late + 4, late + 16, (4_410, 330), "0.0152")] if is_over else []
    plan = [
        {"step": "Find the APIs that 1.36 removes", "status": "Completed"},
        {"step": "Find who uses them", "status": "Completed"},
        {"step": "Open an issue for each owner", "status": "Completed" if is_over else "InProgress"},
        {"step": "Summarise for the upgrade meeting", "status": "Completed" if is_over else "Pending"},
    ]
    end = {"completionTime": at(late + 16), "output": ANSWER} if is_over else {}
    run = a_run(
        "upgrade-1",
        phase="FinalAnswer" if is_over else "ToolCallsPending",
        contextWindow=window,
        turn=4 if is_over else 3,
        toolCallCount=6 if is_over else 5,
        usage=usage(12_860, 996, "0.0451"),
        startTime=at(early),
        plan=plan,
        turnRecords=records,
        pinned={"agentName": "upgrade-scout", "llmName": "claude"},
        spec={"agentRef": {"name": "upgrade-scout"}, "userMessage": "x"},
        **end,
    )
    request = a_request(
        "upgrade-1-t2-c0",
        tool="github__create_issue",
        arguments=publish,
        taskRunRef={"name": "upgrade-1"},
        message="The agent asks to open an issue.",
        requestedBy="alice",
    ).to_wire()
    request["metadata"]["creationTimestamp"] = at(early + 84)
    if is_over:
        request["spec"]["decision"] = {"choice": "Approve", "digest": "sha256:" + "0" * 64, "by": "ada@acme.example"}
    return Gathered(run, tuple(calls), (HumanRequest.from_wire(request),), children={"upgrade-1-t1-c0": _child(early)})


ANSWER = """\
One repository breaks with Kubernetes 1.36: acme/platform still uses flowcontrol.apiserver.k8s.io/v1beta3.

- acme/platform: issue #417 is open; the change is a new apiVersion, the fields stay.
- acme/billing could not be searched (permission denied): team B has to look.
- acme/website is not affected."""


def _call(
    id: str,
    place: str,
    tool: str,
    arguments: str,
    start: float | None,
    end: float | None,
    text: str | None,
    **more: Any,
) -> TaskRunToolCall:
    times = {name: at(time) for name, time in (("startTime", start), ("completionTime", end)) if time is not None}
    done = {"result": text} if text is not None else {}
    return a_call(
        f"upgrade-1-{place}",
        id,
        tool,
        run="upgrade-1",
        arguments=arguments,
        **({"phase": "Succeeded"} | times | done | more),
    )


def _child(early: float) -> Gathered:
    window: list[dict[str, Any]] = [
        {"role": "system", "content": "You read release notes."},
        user("List every change of 1.36 that needs action."),
        answer("", ("c1", "fetch__fetch", '{"url": "https://kubernetes.io/blog/2026/04/kubernetes-v1-36-release/"}')),
        result("c1", "Kubernetes v1.36 …"),
        answer(
            "", ("c2", "fetch__fetch", '{"url": "https://kubernetes.io/docs/reference/using-api/deprecation-guide/"}')
        ),
        result("c2", "The v1.36 release stops serving …"),
        answer("Two changes need action: flowcontrol v1beta3, and the default of the kubelet's cgroup driver."),
    ]
    name = "upgrade-1-t1-c0-run"
    records = [
        record(1, early + 23, early + 29, (900, 60), "0.0012"),
        record(2, early + 38, early + 45, (5_200, 70), "0.0061"),
        record(3, early + 52, early + 70, (9_800, 240), "0.0122"),
    ]
    run = a_run(
        name,
        phase="FinalAnswer",
        contextWindow=window,
        turn=3,
        toolCallCount=2,
        usage=usage(15_900, 370, "0.0195"),
        startTime=at(early + 23),
        completionTime=at(early + 70),
        output=window[-1]["content"],
        turnRecords=records,
        pinned={"agentName": "release-notes", "llmName": "claude-small"},
        spec={"agentRef": {"name": "release-notes"}, "userMessage": "x"},
    )
    calls = (
        a_call(
            f"{name}-t0-c0",
            "c1",
            "fetch__fetch",
            run=name,
            arguments=window[2]["toolCalls"][0]["function"]["arguments"],
            phase="Succeeded",
            result="Kubernetes v1.36 …",
            startTime=at(early + 29),
            completionTime=at(early + 38),
        ),
        a_call(
            f"{name}-t1-c0",
            "c2",
            "fetch__fetch",
            run=name,
            arguments=window[4]["toolCalls"][0]["function"]["arguments"],
            phase="Succeeded",
            result="The v1.36 release stops serving …",
            startTime=at(early + 45),
            completionTime=at(early + 52),
        ),
    )
    return Gathered(run, calls)
