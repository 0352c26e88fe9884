"""Lease: the object of leader election."""

from __future__ import annotations

from typing import ClassVar

from kubechain_apiserver.kinds.builtin import shapes
from kubechain_apiserver.kinds.strategy import Strategy
from kubechain_apiserver.wire.field_errors import FieldError, invalid
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import PrinterColumn, ResourceInfo

INFO = ResourceInfo(
    group="coordination.k8s.io",
    version="v1",
    kind="Lease",
    list_kind="LeaseList",
    plural="leases",
    singular="lease",
    columns=(
        PrinterColumn("Holder", "string", ".spec.holderIdentity"),
        PrinterColumn("Age", "date", ".metadata.creationTimestamp"),
    ),
    schema=shapes.resource(
        "Lease defines a lease concept.",
        spec=shapes.fields(
            "spec contains the specification of the Lease.",
            acquireTime=shapes.time("acquireTime is a time when the current lease was acquired."),
            holderIdentity=shapes.text("holderIdentity contains the identity of the holder of a current lease."),
            leaseDurationSeconds=shapes.integer("leaseDurationSeconds is how long candidates wait to force-acquire."),
            leaseTransitions=shapes.integer("leaseTransitions is the number of transitions between holders."),
            preferredHolder=shapes.text("PreferredHolder signals to a lease holder to give the lease up."),
            renewTime=shapes.time("renewTime is a time when the current holder has last updated the lease."),
            strategy=shapes.text("Strategy indicates the strategy for picking the leader for coordinated election."),
        ),
    ),
)


class LeaseStrategy(Strategy):
    """Checks that durations are positive."""

    create_on_update = True
    blank: ClassVar[JsonObject] = {"metadata": {}, "spec": {}}
    unconditional_update = False

    def decode(self, obj: JsonObject, info: ResourceInfo) -> list[str]:
        unknown = super().decode(obj, info)
        obj["spec"] = obj.get("spec") or {}
        return unknown

    def validate(self, new: JsonObject) -> list[FieldError]:
        spec: JsonObject = new["spec"]
        found: list[FieldError] = []
        duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
        if duration is not None and duration <= 0:
            found.append(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
        if transitions is not None and transitions < 0:
            found.append(invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
        return found
