"""Options of a request."""

from __future__ import annotations

import pytest

from kubechain.embedded.engine import Preconditions
from kubechain.embedded.errors import StatusError
from kubechain.embedded.query import DeleteOptions, Query, delete_options


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


@pytest.mark.parametrize(
    ("raw", "code"),
    [("limit=x", 400), ("includeObject=All", 400), ("dryRun=Some", 422), ("fieldValidation=strict", 422)],
)
def test_values_that_do_not_exist_are_refused(raw: str, code: int) -> None:
    query = Query(raw)
    with pytest.raises(StatusError) as refused:
        _ = (query.number("limit"), query.include_object, query.dry_run, query.field_validation)
    assert refused.value.code == code


def test_field_validation_warns_unless_asked() -> None:
    assert Query("").field_validation == "Warn"
    assert Query("fieldValidation=Strict").field_validation == "Strict"


def test_delete_options_come_from_query_and_body_and_the_body_wins() -> None:
    body = {"propagationPolicy": "Foreground", "preconditions": {"uid": "u"}, "gracePeriodSeconds": 0}
    assert delete_options(Query("propagationPolicy=Orphan&gracePeriodSeconds=9&dryRun=All"), body) == DeleteOptions(
        preconditions=Preconditions("u", ""),
        propagation="Foreground",
        grace_period_seconds=0,
        orphan_dependents=None,
        dry_run=True,
    )


def test_an_unknown_propagation_policy_is_refused() -> None:
    with pytest.raises(StatusError) as refused:
        delete_options(Query(""), {"propagationPolicy": "Later"})
    assert refused.value.code == 422
    assert 'Unsupported value: "Later"' in refused.value.message
