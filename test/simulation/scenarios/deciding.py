"""What people do about the requests of the stories: decide, forge, revoke."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubechain_apiserver.wire.errors import StatusError
from test.simulation.outside import Act, Stage
from test.simulation.scenarios import people

CALL = "hello-1-t0-c0"

APPEARS = "POST humanrequests/"
"""When people begin to look for a request: it is on its way."""


def decides(choice: str = "Approve", request: str = CALL, **more: Any) -> Act:
    """Decide about a request, once it is there and was thought about."""
    return people.once("humanrequests", request, "Open", people.slowly(decide(choice, request, **more)))


def decide(choice: str, request: str = CALL, **more: Any) -> Act:
    """Decide about a request now."""

    def act(stage: Stage) -> None:
        found = stage.cluster.get("humanrequests", request)
        assert found is not None, request
        digest = found["spec"]["request"]["digest"]
        decision = {"choice": choice, "digest": digest, "by": "bob"} | more
        stage.cluster.patch("humanrequests", request, {"spec": {"decision": decision}})

    return act


def answers_all(choice: str, **more: Any) -> Act:
    """Look at the inbox all the time, and decide about each request after a thought."""
    seen = set[str]()

    def look(stage: Stage) -> None:
        for request in stage.cluster.list("humanrequests"):
            if request["metadata"]["uid"] not in seen and "decision" not in request["spec"]:
                seen.add(request["metadata"]["uid"])
                stage.later(people.THINK_SECONDS, _if_open(decide(choice, request["metadata"]["name"], **more)))
        stage.later(people.LOOK_SECONDS, look)

    def begin(stage: Stage) -> None:
        seen.clear()
        look(stage)

    return begin


def decides_late(seconds: float, choice: str = "Approve") -> Act:
    """Decide when the API server knows already that it is too late, and be refused."""
    act = _if_open(decide(choice))
    return people.once("humanrequests", CALL, "Open", lambda stage: stage.later(seconds, act))


def _if_open(decision: Act) -> Act:
    """Decide, or be told that nobody waits any more."""

    def act(stage: Stage) -> None:
        try:
            decision(stage)
        except StatusError as error:
            if "nobody waits for a decision" not in str(error):
                raise

    return act


def once_asked(act: Act, request: str = CALL) -> Act:
    """Do something as soon as a request is there."""
    return people.once("humanrequests", request, "Open", people.slowly(act))


def forge_status(stage: Stage) -> None:
    """Say in the status of a request that it is decided, which nobody did."""
    stage.cluster.set_status("humanrequests", CALL, {"phase": "Decided"})


def forge_request(stage: Stage) -> None:
    """Make the request before the manager does, about something harmless, and approve that."""
    about = {"type": "Approval", "subject": {"resource": "tools", "name": "book"}, "tool": "book"}
    forge(stage, ("taskruntoolcalls", CALL), CALL, {**about, "arguments": '{"city": "Nowhere"}'})


def forge(stage: Stage, asker: tuple[str, str], name: str, about: Mapping[str, Any], **decided: str) -> None:
    """Make a request in the name of an object, and approve it.

    Args:
        asker: Resource and name of the object.
        name: Of the request.
        about: What it asks.
        decided: More of the approval.
    """
    owner = stage.cluster.get(*asker)
    assert owner is not None, asker
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": asker[1], "controller": True}
    digest = f"sha256:{'0' * 64}"
    content = {"taskRunRef": {"name": "hello-1"}, "digest": digest, "choices": ["Approve", "Reject"], **about}
    decision = {"choice": "Approve", "digest": digest, "by": "mallory", **decided}
    metadata = {
        "name": name,
        "namespace": "default",
        "ownerReferences": [{**reference, "uid": owner["metadata"]["uid"]}],
    }
    stage.cluster.apply("humanrequests", name, metadata=metadata, spec={"request": content, "decision": decision})


def revoke(stage: Stage) -> None:
    """Take an approval for the rest of the run back."""
    stage.cluster.patch("taskruns", "hello-1", {"spec": {"revokedGrants": [CALL]}})
