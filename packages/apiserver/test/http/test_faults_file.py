"""The file of faults: what it can say, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubechain_apiserver.http import faults_file
from kubechain_apiserver.http.faults import Delay, DropWatch, Effect, Expire, LoseReply, LoseRequest, Refuse
from kubechain_apiserver.http.faults_file import FaultsFileError

WHOLE = """
seed: 7
rules:
- delaySeconds: [0.01, 0.2]
- error: 429
  retryAfterSeconds: 2
  verbs: [update, patch]
  resources: [taskruns/status]
  namespaces: [default]
  probability: 0.25
  limit: 3
- {error: 503}
- {expired: true}
- {loseReply: true}
- {loseRequest: true}
- {dropWatchAfterSeconds: 5}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    return path


def test_all_that_can_be_said(tmp_path: Path) -> None:
    faults = faults_file.read(written(tmp_path, WHOLE))
    effects: list[Effect] = [
        Delay(0.01, 0.2),
        Refuse(429, 2),
        Refuse(503),
        Expire(),
        LoseReply(),
        LoseRequest(),
        DropWatch(5, 5),
    ]
    assert (faults.seed, [rule.effect for rule in faults.rules]) == (7, effects)
    rule = faults.rules[1]
    assert rule.verbs == {"update", "patch"}
    assert (rule.resources, rule.namespaces) == ({"taskruns/status"}, {"default"})
    assert (rule.probability, rule.limit) == (0.25, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "it is not a mapping"),
        ("rules: {}", "a list of rules"),
        ("rules: []\nsead: 1", "unknown: sead"),
        ("rules: [{}]", "exactly one of delaySeconds"),
        ("rules: [{error: 503, expired: true}]", "exactly one of"),
        ("rules: [{error: 200}]", r"rules\[0\].error: an HTTP status"),
        ("rules: [{error: 503, verbs: create}]", r"rules\[0\].verbs: a list"),
        ("rules: [{error: 503, probability: 30}]", "from 0 to 1"),
        ("rules: [{error: 503, limit: 0}]", "a positive integer"),
        ("rules: [{delaySeconds: [2, 1]}]", r"\[least, most\]"),
        ("rules: [{loseReply: false}]", "only true"),
        ("rules: [{loseReply: true, retryAfterSeconds: 1}]", "only with error"),
        ("rules: [", "faults.yaml"),
    ],
)
def test_what_has_no_meaning_is_refused_by_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FaultsFileError, match=message):
        faults_file.read(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FaultsFileError, match=r"nope\.yaml"):
        faults_file.read(tmp_path / "nope.yaml")
