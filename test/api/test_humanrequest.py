"""The digest that binds a decision to what was asked."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml

from kubechain.api.humanrequest import HumanRequest, HumanRequestType, RequestSubject, request_digest

ROOT = Path(__file__).resolve().parents[2]
APPROVAL = HumanRequestType.APPROVAL
GITHUB = RequestSubject(resource="mcpservers", name="github")


def test_the_canonical_form_is_a_json_array_of_six_strings() -> None:
    canonical = b'["Approval","mcpservers","github","github__delete","{\\"repo\\": \\"caf\\u00e9\\"}","why"]'
    digest = request_digest(APPROVAL, GITHUB, tool="github__delete", arguments='{"repo": "café"}', message="why")
    assert digest == f"sha256:{hashlib.sha256(canonical).hexdigest()}"


@pytest.mark.parametrize(
    ("subject", "parts"),
    [
        pytest.param(RequestSubject(resource="tools", name="github"), {}, id="another resource"),
        pytest.param(RequestSubject(resource="mcpservers", name="gitlab"), {}, id="another subject"),
        pytest.param(GITHUB, {"tool": "a"}, id="another tool"),
        pytest.param(GITHUB, {"arguments": '{"a":1}'}, id="arguments with another space"),
        pytest.param(GITHUB, {"message": "a"}, id="a message"),
        pytest.param(GITHUB, {"tool": 't","', "arguments": ""}, id="a quote that would move a border"),
    ],
)
def test_whatever_differs_gives_another_digest(subject: RequestSubject, parts: dict[str, str]) -> None:
    common = {"tool": "t", "arguments": '{"a": 1}', "message": ""}
    assert request_digest(APPROVAL, GITHUB, **common) != request_digest(APPROVAL, subject, **(common | parts))


def test_another_type_gives_another_digest() -> None:
    assert request_digest(APPROVAL, GITHUB) != request_digest(HumanRequestType.QUESTION, GITHUB)


def test_text_that_is_no_valid_unicode_has_a_digest_too() -> None:
    assert request_digest(APPROVAL, GITHUB, arguments='"\ud800"').startswith("sha256:")


def test_the_sample_has_the_digest_of_what_it_asks() -> None:
    sample = yaml.safe_load((ROOT / "config" / "samples" / "humanrequest.yaml").read_text())
    asked = HumanRequest.from_wire(sample).spec.request
    assert asked.digest == request_digest(
        asked.type, asked.subject, tool=asked.tool or "", arguments=asked.arguments or ""
    )
