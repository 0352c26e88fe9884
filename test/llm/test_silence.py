"""Which failures advise a stream."""

from __future__ import annotations

import pytest

from kubechain.llm import errors, modelset
from kubechain.llm.silence import SilenceCuts
from test.llm.builders import a_target


@pytest.mark.parametrize(
    ("error", "after_seconds", "is_known"),
    [
        (errors.ConnectionLost("lost"), 60.0, True),
        (errors.ConnectionLost("lost"), 2.0, False),
        (errors.ServerFailed("504", http_status=504), 60.0, True),
        (errors.ServerFailed("524", http_status=524), 100.0, True),
        (errors.ServerFailed("500", http_status=500), 60.0, False),
        (errors.TimedOut("too long"), 300.0, False),
        (errors.RateLimited("429", http_status=429), 60.0, False),
    ],
)
def test_what_was_cut_for_its_silence(error: errors.LLMError, after_seconds: float, *, is_known: bool) -> None:
    cuts = SilenceCuts()
    cuts.note(a_target(), error, after_seconds=after_seconds)
    assert cuts.is_known(a_target()) == is_known
    assert not cuts.is_known(a_target("another"))


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modelset, "MAX_MODELS", 2)
    cuts = SilenceCuts()
    for model in ("a", "b", "c"):
        cuts.note(a_target(model), errors.ConnectionLost("lost"), after_seconds=60.0)
    assert [cuts.is_known(a_target(model)) for model in ("a", "b", "c")] == [False, True, True]
