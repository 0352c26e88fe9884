"""Stays with a run until it is over: shows it, prints its answer, and ends as it ended."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable

from kubechain.api.taskrun import TaskRunPhase
from kubechain.cli import clusters, exits
from kubechain.cli.clusters import Place
from kubechain.cli.following import follow
from kubechain.cli.gathering import gather
from kubechain.cli.output import JSON, NAME, YAML, print_data, print_name
from kubechain.cli.steering import cancel
from kubechain.cli.telling import LineTeller, LiveTeller, Teller
from kubechain.cli.terminal import is_drawn_on, print_error
from kubechain.net.foreign import harmless
from kubechain.views.commands import with_flags
from kubechain.views.plain import plain
from kubechain.views.story import Story
from kubechain.views.telling import story_of

INTERRUPTED = 130


def attend_started(options: argparse.Namespace, name: str) -> int:
    """Stay with a run that this command started; Ctrl-C asks what becomes of it.

    What goes on is shown on standard error, so that standard output has the answer and nothing else.
    """
    if options.detach:
        _print_detached(options, name)
        return 0
    while True:
        try:
            return attend(options, name, has_answer=True)
        except KeyboardInterrupt:
            wish = _asked(name)
            if wish == "detach":
                print(f"taskrun/{name} goes on: {_typed(options, 'watch', name)}", file=sys.stderr)
                return INTERRUPTED
            if wish == "cancel":
                clusters.run(options, lambda place: cancel(place, name))


def attend(options: argparse.Namespace, name: str, *, has_answer: bool) -> int:
    """Show a run until it is over, or until the flags say that it is enough; return the exit status.

    Args:
        has_answer: Whether the answer is printed apart, on standard output.
    """

    async def command(place: Place) -> int:
        story = await _attended(place, name, options, _teller(has_answer))
        _print_end(story, options, has_answer=has_answer)
        return exits.status_of(story)

    return clusters.run(options, command)


def _teller(has_answer: bool) -> Teller:
    stream = sys.stderr if has_answer else sys.stdout
    return LiveTeller(stream) if is_drawn_on(stream) else LineTeller(stream)


async def _attended(place: Place, name: str, options: argparse.Namespace, teller: Teller) -> Story:
    def seen(story: Story) -> bool:
        teller.tell(with_flags(story, clusters.flags(options)))
        return story.waits_for_people_alone and not options.wait_for_people

    try:
        async with asyncio.timeout(options.timeout):
            with teller:
                return await follow(place, name, seen, teller.complain)
    except TimeoutError:
        return story_of(await gather(place, name))


def _print_end(story: Story, options: argparse.Namespace, *, has_answer: bool) -> None:
    output = getattr(options, "output", "text")
    if output in (JSON, YAML):
        print_data(plain(story), output)
    elif output == NAME:
        print_name("taskrun", story.name)
    elif story.phase is TaskRunPhase.FINAL_ANSWER:
        if has_answer or sys.stdout.isatty():
            print(harmless(story.output))
    elif story.is_over:
        why = harmless(story.error or story.detail)
        print_error(f"taskrun/{story.name}: {story.phase}{f': {why}' if why else ''}")
    else:
        why = "waits for a person" if story.waits_for_people_alone else "goes on, and the time is up"
        print(f"taskrun/{story.name} {why}: {_typed(options, 'explain', story.name)}", file=sys.stderr)


def _print_detached(options: argparse.Namespace, name: str) -> None:
    if options.output == NAME:
        print_name("taskrun", name)
    elif options.output in (JSON, YAML):
        print_data({"name": name}, options.output)
    else:
        print(f"taskrun/{name} created: {_typed(options, 'watch', name)}")


def _typed(options: argparse.Namespace, verb: str, name: str) -> str:
    """A command about a run, with the flags that this one was given."""
    return " ".join(["kubechain", verb, name, *clusters.flags(options)])


_WISHES = {"d": "detach", "c": "cancel", "g": "go on"}


def _asked(name: str, ask: Callable[[str], str] = input) -> str:
    """What a person wants after Ctrl-C; nobody to ask, or a second Ctrl-C: the run is left alone."""
    if not sys.stdin.isatty():
        return "detach"
    try:
        while True:
            print(f"\ntaskrun/{name} goes on. [d]etach, [c]ancel it, or [g]o on watching? ", end="", file=sys.stderr)
            sys.stderr.flush()
            if (wish := _WISHES.get(ask("").strip().lower()[:1])) is not None:
                return wish
    except (EOFError, KeyboardInterrupt):
        return "detach"
