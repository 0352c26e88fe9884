"""When an LLM's key is checked."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.llm import LLMParameters, RateLimit
from kubechain.api.meta import StatusType
from kubechain.api.references import LocalObjectReference
from kubechain.controllers.checks import Checked, Report
from kubechain.controllers.frame import Done
from kubechain.controllers.llm import fallbacks, settle
from kubechain.controllers.llm.decide import decide
from kubechain.controllers.llm.observe import Observed
from kubechain.controllers.llm.steps import Check, Refuse, Step, TellCircuit, TellFallbacks
from test.controllers.builders import NOW, an_llm

LLM = an_llm(status=None)


def named(*names: str) -> tuple[LocalObjectReference, ...]:
    return tuple(LocalObjectReference(name=name) for name in names)


def seen(**changes: Any) -> Observed:
    values: dict[str, Any] = {"llm": LLM, "secret_version": "7", "checked": None, "monotonic_now": 100.0}
    return Observed(**(values | changes))


WITH_FALLBACKS = an_llm(status=None, fallbacks=named("other"))
SAYS_SO = WITH_FALLBACKS.with_status(**fallbacks.told(WITH_FALLBACKS, ("no",), NOW).status)
TOLD = LLM.with_status(**settle.circuit(LLM, "HTTP 503", NOW).status)
CHECKED = Checked(fingerprint=seen().fingerprint)
REPORT = Report("quota exhausted: HTTP 402", 1, is_checkable=False)


@pytest.mark.parametrize(
    ("observed", "step"),
    [
        pytest.param(seen(), Check(1), id="never checked"),
        pytest.param(seen(checked=CHECKED), Done(), id="checked and nothing changed"),
        pytest.param(seen(checked=CHECKED, secret_version="8"), Check(1), id="the key was rotated"),
        pytest.param(seen(secret_version=None), Refuse('Secret "openai" not found'), id="the Secret is missing"),
        pytest.param(
            seen(secret_version=None, look_again_seconds=4.0),
            Refuse('Secret "openai" not found', 4.0),
            id="the Secret is missing and no watch would tell of it",
        ),
        pytest.param(
            seen(checked=CHECKED, look_again_seconds=4.0), Done(), id="a key that works is not looked at while idle"
        ),
        pytest.param(
            seen(
                llm=an_llm(status=StatusType.ERROR),
                checked=Checked(CHECKED.fingerprint, recheck_at=700.0),
                look_again_seconds=4.0,
            ),
            Done(4.0),
            id="a key is refused and no watch would tell of another",
        ),
        pytest.param(
            seen(checked=Checked(CHECKED.fingerprint, recheck_at=130.0)), Done(30.0), id="a verdict is due later"
        ),
        pytest.param(
            seen(checked=Checked(CHECKED.fingerprint, recheck_at=100.0, attempt=2)), Check(3), id="a verdict is due now"
        ),
        pytest.param(
            seen(
                llm=an_llm(api_key_from=None, parameters=LLMParameters(base_url="http://localhost/v1")),
                secret_version=None,
            ),
            Check(1),
            id="a server of one's own needs no key",
        ),
        pytest.param(seen(checked=CHECKED, report=REPORT), Check(1, REPORT), id="a run was refused"),
        pytest.param(
            seen(checked=CHECKED, report=REPORT, secret_version="8"), Check(1), id="a run was refused with another key"
        ),
        pytest.param(
            seen(checked=CHECKED, report=Report("402", 7, is_checkable=False)),
            Done(),
            id="a run was refused with another spec",
        ),
        pytest.param(
            seen(llm=an_llm(rate_limit=RateLimit(requests_per_minute=9))), Check(1), id="a limit of the provider's plan"
        ),
        pytest.param(seen(checked=CHECKED, open_circuit="HTTP 503"), TellCircuit("HTTP 503"), id="its circuit opened"),
        pytest.param(
            seen(checked=CHECKED, open_circuit="HTTP 503", llm=TOLD), Done(), id="its circuit is open, as it says"
        ),
        pytest.param(seen(checked=CHECKED, llm=TOLD), TellCircuit(None), id="its circuit closed, or was forgotten"),
        pytest.param(
            seen(llm=an_llm(fallbacks=named("a", "b", "gpt-4o"))),
            Refuse('spec.fallbacks[2]: LLM "gpt-4o" cannot be its own fallback'),
            id="it is its own fallback",
        ),
        pytest.param(
            seen(llm=an_llm(fallbacks=named("a", "b", "a"))),
            Refuse('spec.fallbacks[2]: LLM "a" is named twice'),
            id="a fallback is named twice",
        ),
        pytest.param(
            seen(llm=WITH_FALLBACKS, fallback_troubles=("no",)),
            TellFallbacks(("no",)),
            id="a fallback cannot be used",
        ),
        pytest.param(seen(llm=WITH_FALLBACKS), TellFallbacks(()), id="its fallbacks can be used"),
        pytest.param(seen(llm=SAYS_SO, fallback_troubles=("no",)), Check(1), id="its status says so already"),
        pytest.param(seen(llm=SAYS_SO), TellFallbacks(()), id="its status says what is over"),
        pytest.param(
            seen(llm=SAYS_SO, fallback_troubles=("no", "neither")),
            TellFallbacks(("no", "neither")),
            id="another fallback cannot be used either",
        ),
    ],
)
def test_decide(observed: Observed, step: Step | Done) -> None:
    assert decide(observed) == step


def test_no_key_and_no_server_of_ones_own_cannot_work() -> None:
    assert isinstance(decide(seen(llm=an_llm(api_key_from=None), secret_version=None)), Refuse)
