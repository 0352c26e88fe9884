"""Lists: selectors, pages, revisions."""

from __future__ import annotations

import pytest

from kubechain_apiserver.engine.options import ListOptions
from kubechain_apiserver.store.history import History
from kubechain_apiserver.wire.errors import StatusError
from packages.apiserver.test.objects import Plane, a_widget


@pytest.fixture
def many(plane: Plane) -> Plane:
    for index in range(5):
        spec = {"message": "x", "color": "green" if index % 2 else "red"}
        plane.create(a_widget(f"w{index}", spec=spec, labels={"n": str(index), "app": "a" if index < 2 else "b"}))
    return plane


LABEL_SELECTORS = {
    "n=1": "w1",
    "n==1": "w1",
    "n!=1": "w0 w2 w3 w4",
    "n in (1, 2)": "w1 w2",
    "n notin (1,2)": "w0 w3 w4",
    "n": "w0 w1 w2 w3 w4",
    "!n": "",
    "n>2": "w3 w4",
    "n<1": "w0",
    "app=a,n!=0": "w1",
    "app in (in)": "",
}


@pytest.mark.parametrize(("selector", "names"), LABEL_SELECTORS.items(), ids=LABEL_SELECTORS.keys())
def test_a_label_selector_selects(many: Plane, selector: str, names: str) -> None:
    assert many.names(label_selector=selector) == names.split()


INVALID_SELECTORS = {
    ",": "found ',', expected: !, identifier, or 'end of string'",
    "n,": "found '', expected: identifier after ','",
    "n foo x": "unable to parse requirement: found 'foo', expected: in, notin, =, ==, !=, gt, lt",
    "n in 1": "unable to parse requirement: found '1' expected: '('",
    "n>x": "for 'Gt', 'Lt' operators, the value must be an integer",
    "-n=1": 'unable to parse requirement: <nil>: Invalid value: "-n": name part must consist of',
}


@pytest.mark.parametrize(("selector", "error"), INVALID_SELECTORS.items(), ids=INVALID_SELECTORS.keys())
def test_a_label_selector_that_is_none_is_a_bad_request(many: Plane, selector: str, error: str) -> None:
    with pytest.raises(StatusError) as refusal:
        many.names(label_selector=selector)
    assert refusal.value.code == 400
    assert error in refusal.value.message


FIELD_SELECTORS = {
    "metadata.name=w1": "w1",
    "metadata.name!=w1,metadata.namespace=default": "w0 w2 w3 w4",
    "spec.color=green": "w1 w3",
    "metadata.namespace=other": "",
}


@pytest.mark.parametrize(("selector", "names"), FIELD_SELECTORS.items(), ids=FIELD_SELECTORS.keys())
def test_a_field_selector_selects(many: Plane, selector: str, names: str) -> None:
    assert many.names(field_selector=selector) == names.split()


def test_a_field_that_is_not_selectable_is_a_bad_request(many: Plane) -> None:
    with pytest.raises(StatusError, match=r"^field label not supported: spec\.message$"):
        many.names(field_selector="spec.message=x")


def test_pages_show_one_moment_whatever_happens_in_between(many: Plane) -> None:
    first = many.engine.list(many.widgets, "default", ListOptions(limit=2))
    assert first.remaining == 3
    many.engine.delete(many.widgets, "default", "w3")
    many.create(a_widget("w22"))
    second = many.engine.list(many.widgets, "default", ListOptions(limit=2, continue_=first.continue_))
    third = many.engine.list(many.widgets, "default", ListOptions(limit=2, continue_=second.continue_))
    names = [item["metadata"]["name"] for page in (first, second, third) for item in page.items]
    assert names == ["w0", "w1", "w2", "w3", "w4"]
    assert {page.resource_version for page in (first, second, third)} == {first.resource_version}
    assert third.continue_ == ""


def test_a_token_that_is_too_old_expires_and_offers_another_one() -> None:
    plane = Plane(history=History(1, max_count=3))
    for index in range(6):
        plane.create(a_widget(f"w{index}"))
    first = plane.engine.list(plane.widgets, "default", ListOptions(limit=2))
    for index in range(6, 12):
        plane.create(a_widget(f"w{index:02}"))
    with pytest.raises(StatusError) as refusal:
        plane.engine.list(plane.widgets, "default", ListOptions(limit=2, continue_=first.continue_))
    assert (refusal.value.code, refusal.value.reason) == (410, "Expired")
    assert refusal.value.message.startswith("The provided continue parameter is too old")
    rest = plane.names(continue_=refusal.value.continue_token)
    assert rest[0] == "w10"


def test_a_list_can_be_had_as_it_was(many: Plane) -> None:
    then = many.engine.resource_version
    many.engine.delete(many.widgets, "default", "w0")
    assert len(many.names(resource_version=then, resource_version_match=r"Exact")) == 5
    assert len(many.names(resource_version=then, resource_version_match=r"NotOlderThan")) == 4


INVALID_LISTS = {
    "a match without a revision": ({"resource_version_match": "Exact"}, 422),
    "a revision that is none": ({"resource_version": "abc"}, 400),
    "a token that is none": ({"continue_": "abc"}, 400),
    "a revision of the future": ({"resource_version": "99999999"}, 504),
}


@pytest.mark.parametrize(("options", "code"), INVALID_LISTS.values(), ids=INVALID_LISTS.keys())
def test_lists_that_cannot_be_are_refused(many: Plane, options: dict[str, str], code: int) -> None:
    with pytest.raises(StatusError) as refusal:
        many.names(**options)
    assert refusal.value.code == code


def test_items_of_built_in_kinds_do_not_repeat_their_kind(plane: Plane) -> None:
    page = plane.engine.list(plane.namespaces)
    assert all(data.startswith(b'{"metadata":') for data in page.encoded)
