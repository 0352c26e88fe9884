"""The commands that a person types about something, with the name of the object in it."""

from __future__ import annotations

from collections.abc import Mapping

from kubechain.api.humanrequest import HumanRequestType

DECIDING: Mapping[HumanRequestType, tuple[str, ...]] = {
    HumanRequestType.APPROVAL: ("kubechain approve {0}", "kubechain reject {0} --comment TEXT"),
    HumanRequestType.QUESTION: ("kubechain answer {0} --text TEXT",),
    HumanRequestType.FORM: ("kubechain answer {0} --field NAME=VALUE",),
    HumanRequestType.URL: ("kubechain answer {0} --done",),
    HumanRequestType.BUDGET: ("kubechain answer {0} --add turns=10", "kubechain answer {0} --reject"),
    HumanRequestType.OUTCOME: (
        "kubechain answer {0} --happened RESULT",
        "kubechain answer {0} --did-not-happen",
        "kubechain answer {0} --unknown",
    ),
}
"""By what is asked for."""

BEYOND_BUDGET = ("kubechain approve {0}", "kubechain answer {0} --reject")
"""What decides whether a run may spend beyond a Budget of its namespace."""


def deciding(type: HumanRequestType, request: str, *, is_beyond_budget: bool = False) -> tuple[str, ...]:
    """What decides about a HumanRequest."""
    return tuple(command.format(request) for command in (BEYOND_BUDGET if is_beyond_budget else DECIDING[type]))
