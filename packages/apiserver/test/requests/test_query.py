"""Options of a request."""

from __future__ import annotations

import pytest

from kubechain_apiserver.engine.options import (
    DeleteOptions,
    ListOptions,
    Preconditions,
    WatchOptions,
    WriteOptions,
    ignore_warning,
)
from kubechain_apiserver.requests.query import Query, delete_options, list_options, watch_options, write_options
from kubechain_apiserver.wire.errors import StatusError


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("watch", True), ("watch=1", True), ("watch=true", True), ("watch=false", False), ("watch=0", False), ("", False)],
)
def test_flags(raw: str, expected: bool) -> None:
    assert Query(raw).flag("watch") is expected


def test_text_is_decoded_and_the_first_value_counts() -> None:
    query = Query("labelSelector=a%3Db%2Cc&labelSelector=x&limit=500")
    assert query.text("labelSelector") == "a=b,c"
    assert query.number("limit") == 500
    assert query.number("timeoutSeconds") is None


@pytest.mark.parametrize("raw", ["limit=x", "limit=1.5"])
def test_a_number_must_be_one(raw: str) -> None:
    with pytest.raises(StatusError) as refused:
        Query(raw).number("limit")
    assert refused.value.code == 400


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("dryRun=Some", 'dryRun: Unsupported value: ["Some"]: supported values: "All"'),
        ("fieldValidation=strict", 'Unsupported value: "strict": supported values: "", "Ignore", "Strict", "Warn"'),
        (f"fieldManager={'x' * 129}", "fieldManager: Too long: may not be more than 128 bytes"),
    ],
)
def test_options_of_writes_that_are_refused(raw: str, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        write_options(Query(raw), kind="CreateOptions", user_agent="", warn=ignore_warning)
    assert refused.value.code == 422
    assert refused.value.message.startswith('CreateOptions.meta.k8s.io "" is invalid: ')
    assert message in refused.value.message


def test_options_of_writes() -> None:
    by_default = write_options(Query(""), kind="", user_agent="kubectl/v1 (linux)", warn=ignore_warning)
    assert by_default == WriteOptions(field_manager="kubectl")
    given = Query("fieldManager=me&dryRun=All&fieldValidation=Strict&force=true")
    read = write_options(given, kind="", user_agent="", warn=ignore_warning)
    assert read == WriteOptions(dry_run=True, field_manager="me", field_validation="Strict", force=True)


@pytest.mark.parametrize(
    ("raw", "watch", "message"),
    [
        ("resourceVersionMatch=Exact", False, "is forbidden unless resourceVersion is provided"),
        ("resourceVersionMatch=Exact&resourceVersion=0", False, 'forbidden for resourceVersion "0"'),
        ("resourceVersionMatch=Exact&resourceVersion=1&continue=x", False, "when continue is provided"),
        ("resourceVersionMatch=x&resourceVersion=1", False, 'Unsupported value: "x"'),
        ("sendInitialEvents=true", False, "sendInitialEvents is forbidden for list"),
        ("sendInitialEvents=true", True, "requires setting resourceVersionMatch to NotOlderThan"),
        ("resourceVersionMatch=NotOlderThan", True, "is forbidden for watch unless sendInitialEvents is provided"),
        ("resourceVersionMatch=Exact&sendInitialEvents=1", True, 'supported values: "NotOlderThan"'),
    ],
)
def test_options_of_reads_that_are_refused(raw: str, watch: bool, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        watch_options(Query(raw), default_seconds=1.0) if watch else list_options(Query(raw))
    assert refused.value.code == 422
    assert message in refused.value.message


def test_options_of_reads() -> None:
    listed = list_options(Query("resourceVersionMatch=NotOlderThan&resourceVersion=1&limit=5&labelSelector=a"))
    assert listed == ListOptions("a", limit=5, resource_version="1", resource_version_match="NotOlderThan")
    watched = watch_options(Query("resourceVersionMatch=NotOlderThan&sendInitialEvents=true"), default_seconds=9.0)
    assert watched == WatchOptions(send_initial_events=True, timeout_seconds=9.0)


def test_delete_options_come_from_query_and_body_and_the_body_wins() -> None:
    body = {"propagationPolicy": "Foreground", "preconditions": {"uid": "u"}, "gracePeriodSeconds": 0}
    assert delete_options(Query("propagationPolicy=Orphan&gracePeriodSeconds=9&dryRun=All"), body) == DeleteOptions(
        preconditions=Preconditions("u", ""),
        propagation="Foreground",
        grace_period_seconds=0,
        dry_run=True,
    )


@pytest.mark.parametrize(
    ("raw", "body", "propagation"),
    [("orphanDependents=true", {}, "Orphan"), ("orphanDependents=true", {"orphanDependents": False}, "Background")],
)
def test_the_older_way_to_say_the_propagation_policy(raw: str, body: dict[str, bool], propagation: str) -> None:
    assert delete_options(Query(raw), body).propagation == propagation


def test_both_ways_to_say_the_propagation_policy_are_refused() -> None:
    with pytest.raises(StatusError, match="orphanDependents and deletionPropagation cannot be both set"):
        delete_options(Query("orphanDependents=true&propagationPolicy=Orphan"), {})


def test_an_unknown_propagation_policy_is_refused() -> None:
    with pytest.raises(StatusError) as refused:
        delete_options(Query(""), {"propagationPolicy": "Later"})
    assert refused.value.code == 422
    assert 'Unsupported value: "Later"' in refused.value.message
