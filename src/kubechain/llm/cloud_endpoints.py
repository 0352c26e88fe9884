"""Endpoints of the clouds that host other makers' models: hosts by region, paths by deployment or project, access.

A function for each row of `providers`. How a cloud gives access is in `cloud`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from kubechain.api.llm import LLMSpec, OpenAIConfig
from kubechain.llm import anthropic_versions, hosts
from kubechain.llm.auth import AZURE_KEY, BEARER
from kubechain.llm.base_url import endpoint
from kubechain.llm.cloud.aws import AwsGrant
from kubechain.llm.cloud.azure import EntraGrant
from kubechain.llm.cloud.google import GoogleGrant
from kubechain.llm.endpoints import MESSAGES, AzureDeployments, ExtraHeader, ProviderEndpoint, Under
from kubechain.llm.errors import InvalidTarget

AZURE_V1 = "openai/v1"

_REGION = re.compile(r"[a-z0-9-]{1,64}")
_GROUPS_OF_REGIONS = frozenset({"us", "eu"})


@dataclass(frozen=True, slots=True)
class VertexPaths:
    """Project, location and the model's maker stand in the path.

    The dialect gemini asks for `models/{model}:…` and `models/{model}`, anthropic-messages for `messages`. A model's
    description belongs to no project.
    """

    project: str
    location: str

    def path(self, operation: str, model: str) -> str:
        """See `PathRule.path`."""
        place = f"projects/{quote(self.project, safe=':')}/locations/{self.location}/publishers"
        if operation.partition(":")[0] == MESSAGES:
            verb = operation.partition(":")[2] or "rawPredict"
            return f"{place}/anthropic/models/{quote(model, safe='@')}:{verb}"
        if ":" in operation:
            return f"{place}/google/{operation}"
        return f"publishers/{'anthropic' if is_claude(model) else 'google'}/{operation}"


@dataclass(frozen=True, slots=True)
class BedrockPaths:
    """The two APIs that Bedrock has of other makers: OpenAI's, and Anthropic's for its own models."""

    def path(self, operation: str, model: str) -> str:
        """See `PathRule.path`."""
        del model
        return f"{'anthropic/v1' if operation == MESSAGES else 'openai/v1'}/{operation}"


def is_claude(model: str) -> bool:
    """Whether a model of a cloud is one of Anthropic's: `claude-…`, `anthropic.claude-…`, `eu.anthropic.claude-…`."""
    return model.startswith("claude-") or "anthropic.claude" in model


def azure_endpoint(spec: LLMSpec) -> ProviderEndpoint:
    """Return the endpoint of a resource of Azure: its v1 API, or the deployments of a version."""
    if not spec.parameters.base_url:
        raise InvalidTarget("baseUrl: required: Azure has an address for each resource")
    config = spec.openai or OpenAIConfig()
    base = endpoint(spec.parameters.base_url)
    is_key = config.api_type == "AZURE"
    v1 = Under("" if base.url.endswith(f"/{AZURE_V1}") else AZURE_V1)
    return ProviderEndpoint(
        base=base,
        auth=AZURE_KEY if is_key else BEARER,
        paths=AzureDeployments(config.api_version) if config.api_version else v1,
        is_official=hosts.is_azure(base.host),
        grant=None if is_key else EntraGrant(config.tenant_id, config.client_id),
    )


def vertex_endpoint(spec: LLMSpec) -> ProviderEndpoint:
    """Return the endpoint of a project in a region of Vertex AI, in a group of regions, or `global`."""
    if (config := spec.vertex) is None:
        raise InvalidTarget("vertex: required by this provider")
    location = _region("vertex.cloudLocation", config.cloud_location)
    base = endpoint(spec.parameters.base_url or f"https://{_vertex_host(location)}/v1")
    return ProviderEndpoint(
        base=base,
        auth=BEARER,
        paths=VertexPaths(config.cloud_project, location),
        is_official=hosts.is_vertex(base.host),
        grant=GoogleGrant(),
    )


def _vertex_host(location: str) -> str:
    if location == "global":
        return "aiplatform.googleapis.com"
    is_group = location in _GROUPS_OF_REGIONS
    return f"aiplatform.{location}.rep.googleapis.com" if is_group else f"{location}-aiplatform.googleapis.com"


def bedrock_endpoint(spec: LLMSpec) -> ProviderEndpoint:
    """Return the endpoint of a region of Amazon Bedrock."""
    if (config := spec.bedrock) is None:
        raise InvalidTarget("bedrock: required by this provider")
    region = _region("bedrock.region", config.region)
    base = endpoint(spec.parameters.base_url or f"https://bedrock-mantle.{region}.api.aws")
    service = "bedrock" if base.host.startswith("bedrock-runtime") else "bedrock-mantle"
    return ProviderEndpoint(
        base=base,
        auth=BEARER,
        paths=BedrockPaths(),
        headers=(ExtraHeader("anthropic-version", anthropic_versions.version_of(spec), "anthropic-version", MESSAGES),),
        is_official=hosts.is_bedrock(base.host),
        grant=AwsGrant(region, service),
    )


def _region(setting: str, value: str) -> str:
    if not _REGION.fullmatch(value):
        raise InvalidTarget(f"{setting}: only small letters, digits and hyphens stand in the name of a region")
    return value
