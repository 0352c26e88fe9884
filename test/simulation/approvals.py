"""What must hold about approvals: nothing is carried out but what a person saw and approved, in time.

Part of the watchman. It judges by the objects alone, and knows from the story which tools need approval.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kubechain.api.humanrequest import HumanRequestType, RequestSubject, request_digest
from test.simulation.cluster import seconds_of, status_of

JsonObject = dict[str, Any]

_APPROVING = ("Approve", "ApproveForRun")


class ApprovalLaws:
    """Remembers runs, calls and requests as they were written last, and judges what is carried out by them."""

    def __init__(self, guarded: frozenset[str], violated: Callable[[str], None]) -> None:
        """Know nothing yet.

        Args:
            guarded: Names of the tools that need approval, as the model knows them.
            violated: Told what must never be.
        """
        self._guarded = guarded
        self._violated = violated
        self._runs: dict[str, JsonObject] = {}
        self._calls: dict[str, JsonObject] = {}
        self._requests: dict[str, JsonObject] = {}

    def on_change(self, plural: str, after: JsonObject) -> None:
        """Look at one write; what is deleted is remembered."""
        name = after["metadata"]["name"]
        match plural:
            case "taskruns":
                self._check_delegation(name, after)
                self._runs[name] = after
            case "taskruntoolcalls":
                self._calls[after["metadata"]["uid"]] = after
                self._check_time(name, status_of(after))
            case "humanrequests":
                self._requests[name] = after
            case _:
                return

    def on_execution(self, label: str, key: str) -> None:
        """Look at a call that is carried out.

        Args:
            label: Its sort, the tool, and the arguments as JSON.
        """
        call = next((one for one in self._calls.values() if one["spec"].get("idempotencyKey") == key), None)
        if call is not None:
            self._check(label, call, label.split(" ", 2)[2])

    def look_for_left_overs(self, requests: list[JsonObject]) -> None:
        """Nobody may be asked for what nobody waits for."""
        for request in requests:
            call = self._calls.get(request["metadata"]["ownerReferences"][0]["uid"], {})
            if status_of(call).get("completionTime") and status_of(request).get("phase") == "Open":
                self._violated(f"humanrequests/{request['metadata']['name']}: is open, and its call is over")

    def _check_delegation(self, name: str, run: JsonObject) -> None:
        """A run that another one asked for is carried out with its birth."""
        owners: list[JsonObject] = run["metadata"].get("ownerReferences", [])
        call = self._calls.get(owners[0]["uid"]) if owners else None
        if call is not None and name not in self._runs:
            self._check(f"taskruns/{name}", call, None)

    def _check_time(self, name: str, status: JsonObject) -> None:
        approval: JsonObject = status.get("approval") or {}
        execution: JsonObject = status.get("execution") or {}
        if not approval.get("expiresAt") or approval.get("choice") not in _APPROVING:
            return
        expires_at = seconds_of(approval["expiresAt"])
        if seconds_of(approval["at"]) >= expires_at:
            self._violated(f"taskruntoolcalls/{name}: approved after its request had expired")
        if execution and execution.get("attempt", 0) == 0 and seconds_of(execution["startedAt"]) >= expires_at:
            self._violated(f"taskruntoolcalls/{name}: begun after its request had expired")

    def _check(self, what: str, call: JsonObject, arguments: str | None) -> None:
        """Whether a person approved the call, as it is carried out.

        Args:
            arguments: With which it is carried out, as JSON; None where the call itself says it.
        """
        if call["spec"]["toolRef"]["name"] not in self._guarded:
            return
        approval: JsonObject = status_of(call).get("approval") or {}
        request = self._requests.get(approval.get("requestName", ""))
        if approval.get("choice") not in _APPROVING or request is None:
            self._violated(f"{what}: carried out without a recorded approval")
            return
        decision: JsonObject = request["spec"].get("decision") or {}
        if decision.get("choice") != approval["choice"]:
            self._violated(f"{what}: recorded as {approval['choice']}, and the person said {decision.get('choice')}")
        wanted = decision.get("arguments") or call["spec"]["arguments"]
        if arguments is not None and json.loads(arguments) != json.loads(wanted):
            self._violated(f"{what}: {wanted} was approved")
        is_own = request["metadata"]["ownerReferences"][0]["uid"] == call["metadata"]["uid"]
        trouble = _not_about(request, call, decision) if is_own else self._not_granted(request, call, decision)
        if trouble:
            self._violated(f"{what}: {trouble}")

    def _not_granted(self, request: JsonObject, call: JsonObject, decision: JsonObject) -> str:
        """Why the approval of another call is none for this one."""
        content, spec = request["spec"]["request"], call["spec"]
        run = self._runs.get(spec["taskRunRef"]["name"], {})
        if decision.get("choice") != "ApproveForRun":
            return "carried out by the approval of another call"
        if (content["tool"], content["taskRunRef"]) != (spec["toolRef"]["name"], spec["taskRunRef"]):
            return f"carried out by an approval for {content['tool']} in {content['taskRunRef']['name']}"
        if request["metadata"]["name"] in run["spec"].get("revokedGrants", []):
            return "carried out by an approval that was revoked"
        return ""


def _not_about(request: JsonObject, call: JsonObject, decision: JsonObject) -> str:
    """Why a request and its decision are not about the call that made it."""
    content, spec = request["spec"]["request"], call["spec"]
    digest = request_digest(
        HumanRequestType.APPROVAL,
        RequestSubject.model_validate(content["subject"]),
        tool=spec["toolRef"]["name"],
        arguments=spec["arguments"],
    )
    if (content["tool"], content["arguments"]) != (spec["toolRef"]["name"], spec["arguments"]):
        return "the person saw another call"
    if not digest == content["digest"] == decision.get("digest") == status_of(call)["approval"]["digest"]:
        return "the digest is not of this call"
    return ""
