"""The commands that a person types about something, with the name of the object in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kubechain.api.humanrequest import HumanRequestType
from kubechain.views.story import Call, Entry, Said, Story, Wait

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


def with_flags(story: Story, flags: Sequence[str]) -> Story:
    """The story with more flags at its commands, such as the namespace, so that they can be typed as they are."""
    if not flags:
        return story

    def waits(found: Sequence[Wait]) -> tuple[Wait, ...]:
        return tuple(
            replace(wait, commands=tuple(" ".join([each, *flags]) for each in wait.commands)) for wait in found
        )

    def call(one: Call) -> Call:
        child = None if one.child is None else with_flags(one.child, flags)
        return replace(one, waits=waits(one.waits), child=child)

    def entry(one: Entry) -> Entry:
        return one if isinstance(one, Said) else replace(one, calls=tuple(map(call, one.calls)))

    return replace(story, waits=waits(story.waits), entries=tuple(map(entry, story.entries)))
