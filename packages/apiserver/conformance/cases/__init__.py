"""All cases, by area."""

from __future__ import annotations

from collections.abc import Mapping

from packages.apiserver.conformance.cases import (
    apply,
    conflicts,
    definitions,
    deletion,
    discovery,
    dry_run,
    events,
    fields,
    kubectl,
    names,
    pages,
    patches,
    schemas,
    selectors,
    status,
    tables,
    validation,
    versions,
    watches,
)
from packages.apiserver.conformance.steps import Case

AREAS: Mapping[str, list[Case]] = {
    "versions and generations": versions.CASES,
    "conflicts and preconditions": conflicts.CASES,
    "patches": patches.CASES,
    "server-side apply": apply.CASES,
    "status": status.CASES,
    "validation": validation.CASES,
    "defaults, pruning, unknown fields": fields.CASES,
    "generateName": names.CASES,
    "dry run": dry_run.CASES,
    "selectors": selectors.CASES,
    "lists and pages": pages.CASES,
    "watches": watches.CASES,
    "deletion": deletion.CASES,
    "tables": tables.CASES,
    "discovery and OpenAPI": discovery.CASES,
    "events": events.CASES,
    "definitions": definitions.CASES,
    "schemas of definitions": schemas.CASES,
}
"""What is asked by plain HTTP."""

KUBECTL: list[Case] = kubectl.CASES
"""What is asked by kubectl: an area for each version of it."""
