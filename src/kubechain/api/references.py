"""References between objects: by name within the namespace, and into Secrets.

A reference never crosses a namespace, so that tenants are separated.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kubechain.api.meta import KubeModel
from kubechain.api.schema import Name, Rule, Schema, Text


class LocalObjectReference(KubeModel):
    """The name of another object in the same namespace."""

    name: Name = Field(description="Name of the object, in the same namespace.")


class SecretKeyRef(KubeModel):
    """One key of a Secret in the same namespace."""

    name: Name = Field(description="Name of the Secret, in the same namespace.")
    key: Annotated[str, Schema(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")] = Field(
        description="Key within the Secret's data."
    )


class SecretKeySource(KubeModel):
    """A value that comes from a Secret."""

    secret_key_ref: SecretKeyRef = Field(description="The Secret and the key that hold the value.")


class NamedValue(KubeModel):
    """A name with a value, given in clear or taken from a Secret: an environment variable or an HTTP header."""

    crd_rules = (
        Rule(
            "!(has(self.value) && has(self.valueFrom))",
            "value and valueFrom are two ways to give the same thing: use one of them",
        ),
    )

    name: Annotated[str, Schema(min_length=1, max_length=256, pattern=r"^[^\s=:]+$")] = Field(
        description="Name of the variable or header."
    )
    value: Text | None = Field(default=None, description="The value, in clear.")
    value_from: SecretKeySource | None = Field(
        default=None, description="Where the value comes from, when it is secret."
    )


class ResourceRequirements(KubeModel):
    """Compute resources, as in a Pod's container."""

    limits: Annotated[dict[str, str | int], Schema(max_properties=16)] | None = Field(
        default=None, description="The most that may be used, for example cpu: 500m, memory: 256Mi."
    )
    requests: Annotated[dict[str, str | int], Schema(max_properties=16)] | None = Field(
        default=None, description="What is reserved, for example cpu: 50m, memory: 64Mi."
    )
