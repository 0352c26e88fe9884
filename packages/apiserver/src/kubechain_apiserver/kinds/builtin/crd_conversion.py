"""Validation of `spec.conversion` of a definition. Conversion webhooks are never called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from kubechain_apiserver.wire import names
from kubechain_apiserver.wire.field_errors import FieldError, forbidden, invalid, not_supported, required
from kubechain_apiserver.wire.json_types import JsonObject

_STRATEGIES: Final = ("None", "Webhook")


def check(conversion: JsonObject, path: str) -> Iterator[FieldError]:
    """Yield the errors of `spec.conversion`."""
    strategy: str = conversion.get("strategy") or ""
    webhook: JsonObject | None = conversion.get("webhook")
    if not strategy:
        yield required(f"{path}.strategy")
    elif strategy not in _STRATEGIES:
        yield not_supported(f"{path}.strategy", strategy, _STRATEGIES)
    client: JsonObject | None = (webhook or {}).get("clientConfig")
    reviews: list[str] = (webhook or {}).get("conversionReviewVersions") or []
    if strategy == "Webhook":
        yield from _webhook_client(client, f"{path}.webhookClientConfig")
        yield from _review_versions(reviews, f"{path}.conversionReviewVersions")
        return
    for name, value in (("webhookClientConfig", client), ("conversionReviewVersions", reviews)):
        if value:
            yield forbidden(f"{path}.{name}", "should not be set when strategy is not set to Webhook")


def _webhook_client(client: JsonObject | None, path: str) -> Iterator[FieldError]:
    if client is None:
        yield required(path, "required when strategy is set to Webhook")
        return
    url: str | None = client.get("url")
    service: JsonObject | None = client.get("service")
    if (url is None) == (service is None):
        yield required(path, "exactly one of url or service is required")
    elif url is not None:
        form = "; desired format: https://host[/path]"
        parts = urlsplit(url)
        if parts.scheme != "https":
            yield invalid(f"{path}.url", parts.scheme, f"'https' is the only allowed URL scheme{form}")
        if not parts.netloc:
            yield invalid(f"{path}.url", "", f"host must be specified{form}")
    elif service is not None:
        for name, shown in (("name", "namespace"), ("namespace", "name")):  # kube-apiserver swaps the two
            if not service.get(name):
                yield required(f"{path}.service.{shown}")


def _review_versions(versions: Sequence[str], path: str) -> Iterator[FieldError]:
    if not versions:
        yield required(path)
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield invalid(f"{path}[{index}]", version, "duplicate version")
        else:
            yield from (invalid(f"{path}[{index}]", version, why) for why in names.resource_label(version))
    if not {"v1", "v1beta1"} & set(versions):
        yield invalid(path, list(versions), "must include at least one of v1, v1beta1")
