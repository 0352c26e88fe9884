"""The base of every wire model, and the parts of Kubernetes' own metadata that KubeChain reads.

Wire forms (aliases, times, what is written back) are decided here once; nothing that knows a particular kind belongs
here.

Reading is lenient and lossless: unknown fields are kept and written back. Writing is exact: a field that nobody set
is not written, a field that was set is, even when it equals its default (`turn: 0`), and `None` removes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar, dataclass_transform

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from kubechain.api.schema import JsonObject, Rule, Schema

GROUP = "kubechain.humanlayer.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

_IRREGULAR_WIRE_NAMES = {
    "schema_": "schema",
    "agent_uid": "agentUID",
    "allowed_responder_ids": "allowedResponderIDs",
    "call_id": "callID",
    "channel_or_user_id": "channelOrUserID",
    "context_about_channel_or_user": "contextAboutChannelOrUser",
    "external_api": "externalAPI",
    "external_call_id": "externalCallID",
    "external_id": "externalID",
    "llm_uid": "llmUID",
    "span_id": "spanID",
    "task_run_tool_call_ref": "taskRunToolCallRef",
    "trace_id": "traceID",
    "valid_mcp_servers": "validMCPServers",
}


def wire_name(attribute: str) -> str:
    """Return the name that an attribute has in manifests."""
    return _IRREGULAR_WIRE_NAMES.get(attribute) or to_camel(attribute)


def _whole_seconds(value: datetime) -> datetime:
    if value.tzinfo is UTC and not value.microsecond:  # each change of a status validates its times again
        return value
    return value.astimezone(UTC).replace(microsecond=0)


def _in_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def time_text(value: datetime) -> str:
    """Return metav1.Time's form, in UTC."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _microseconds_text(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Time = Annotated[datetime, AfterValidator(_whole_seconds), PlainSerializer(time_text, return_type=str)]
"""metav1.Time: whole seconds, so that what is read back equals what was written."""

MicroTime = Annotated[datetime, AfterValidator(_in_utc), PlainSerializer(_microseconds_text, return_type=str)]
"""metav1.MicroTime: always six digits after the point."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class KubeModel(BaseModel):
    """A value of the Kubernetes API: immutable, camelCase on the wire, unknown fields survive."""

    model_config = ConfigDict(
        frozen=True, alias_generator=wire_name, validate_by_name=True, validate_by_alias=True, extra="allow"
    )

    crd_rules: ClassVar[tuple[Rule, ...]] = ()
    """CEL rules that the API server holds on every value of this class."""

    def to_wire(self) -> JsonObject:
        """Return the JSON object to send: what was set, and nothing else."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)

    def to_json(self) -> bytes:
        """Return `to_wire` as encoded JSON, without building the dict."""
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_unset=True, exclude_none=True)

    @classmethod
    def from_wire(cls, data: bytes | str | JsonObject) -> Self:
        """Parse an object as the API server sends it.

        Raises:
            pydantic.ValidationError: The data has not the shape of this kind.
        """
        if isinstance(data, dict):
            return cls.model_validate(data, by_alias=True, by_name=False)
        return cls.model_validate_json(data, by_alias=True, by_name=False)

    def with_changes(self, **changes: Any) -> Self:
        """Return a validated copy with these attributes changed; `None` removes an optional one.

        Raises:
            TypeError: An attribute does not exist (unknown wire fields cannot be invented by a typing mistake).
        """
        unknown = changes.keys() - type(self).model_fields.keys()
        if unknown:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        kept = {name: getattr(self, name) for name in self.model_fields_set if name not in changes}
        return type(self).model_validate(kept | changes)

    def _write_always(self, *attributes: str) -> None:
        """Mark constants as set, so that they are written although nobody passed them."""
        self.model_fields_set.update(attributes)


class OwnerReference(KubeModel):
    """A pointer to the object that this one is deleted with."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(KubeModel):
    """The metadata that Kubernetes keeps for every object; what is not named here survives as unknown fields."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    labels: dict[str, str] = Field(default_factory=dict[str, str])
    annotations: dict[str, str] = Field(default_factory=dict[str, str])
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()


ConditionStatus = Literal["True", "False", "Unknown"]


class Condition(KubeModel):
    """One aspect of an object's state, in the standard Kubernetes form."""

    type: Annotated[str, Schema(min_length=1, max_length=316)] = Field(
        description="Aspect that this condition is about, for example Ready."
    )
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: Annotated[
        str, Schema(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    ] = Field(description="Why, in one CamelCase word.")
    message: Annotated[str, Schema(max_length=32768)] = Field(default="", description="Why, in a sentence.")
    last_transition_time: Time = Field(description="When the status last changed.")
    observed_generation: Annotated[int, Schema(minimum=0)] | None = Field(
        default=None, description="Generation of the spec that this condition was computed from."
    )


class StatusType(StrEnum):
    """The summary that `kubectl get` shows under STATUS."""

    PENDING = "Pending"
    READY = "Ready"
    ERROR = "Error"


class StatusBase(KubeModel):
    """What the status of every kind has."""

    condition_types: ClassVar[Mapping[str, str]] = {}
    """The types of conditions that the kind has, each with what it means; the first is the one to wait for."""

    conditions: Annotated[
        tuple[Condition, ...],
        Schema(max_items=32, extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    ] = Field(default=(), description="State in the standard form.")
    observed_generation: Annotated[int, Schema(minimum=-1)] = Field(
        default=0,
        description="Generation of the spec that this status was computed from; -1 before the manager has seen any.",
    )
    ready: bool = Field(default=False, description="Whether the object can be used.")
    status_detail: Annotated[str, Schema(max_length=4096)] = Field(
        default="", description="What the status means, or what is being waited for, in a sentence."
    )


UNSEEN = Schema(extra={"default": {"observedGeneration": -1}})
"""The status of an object that no manager has seen. Without it, kstatus takes a new object for one that is ready."""


class ReadinessStatus(StatusBase):
    """A status whose summary is Pending, Ready or Error."""

    condition_types: ClassVar[Mapping[str, str]] = {"Ready": "True when the object can be used"}

    status: StatusType | None = Field(default=None, description="Summary: Pending, Ready or Error.")


class KubeObject(KubeModel):
    """An object with identity; subclasses add `spec` and `status` and fix `kind`."""

    api_version: str = API_VERSION
    kind: str
    metadata: ObjectMeta

    def model_post_init(self, context: Any, /) -> None:
        """Make sure that the object says what it is when it is written."""
        self._write_always("api_version", "kind")


SpecT = TypeVar("SpecT", bound=KubeModel)
StatusT = TypeVar("StatusT", bound=StatusBase)


class StatusObject(KubeObject, Generic[SpecT, StatusT]):
    """An object of one of KubeChain's own kinds; its `status` is never None."""

    spec: SpecT
    status: StatusT

    def with_status(self, **changes: Any) -> Self:
        """Return a copy whose status has these attributes changed.

        Raises:
            TypeError: The status has no such attribute.
            pydantic.ValidationError: A value has the wrong type.
        """
        return self.model_copy(update={"status": self.status.with_changes(**changes)})


def is_owned_by(obj: KubeObject, owner: KubeObject) -> bool:
    """Whether this very object owns `obj`: another one of its name does not count."""
    return any(reference.uid == owner.metadata.uid for reference in obj.metadata.owner_references)


def owner_reference(owner: KubeObject, *, controller: bool = True) -> OwnerReference:
    """Return the reference that makes `owner` the (controlling) owner of an object."""
    return OwnerReference(
        api_version=owner.api_version,
        kind=owner.kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=controller,
        block_owner_deletion=controller,
    )
