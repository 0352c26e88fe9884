"""The chain of an audit log: what is changed is found, and crashes and rotations are told from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kubechain.observability.chain import START, Chain, verified

Change = Callable[[list[bytes]], list[bytes]]


def written(path: Path, *events: str) -> None:
    chain = Chain(str(path), lambda: "2026-01-01T00:00:00Z", process="a")
    for event in events:
        chain.append(event, {"text": f"what {event} says: ü"})
    chain.close()


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def _by(change: Change) -> Change:
    """The change itself, so that its type is known."""
    return change


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.log"
    written(path, "one", "two", "three")
    return path


def test_what_was_written_is_verified(log: Path) -> None:
    verdict = verified(log)
    assert (verdict.count, verdict.torn, verdict.chains, verdict.fault) == (4, (), 1, None)
    assert json.loads(lines_of(log)[0])["previous"] == START


def test_the_next_process_goes_on_after_the_last_line(log: Path) -> None:
    written(log, "four")
    verdict = verified(log)
    assert (verdict.count, verdict.chains, verdict.fault) == (6, 1, None)


@pytest.mark.parametrize(
    ("change", "number"),
    [
        pytest.param(
            _by(lambda lines: [lines[0], lines[1].replace(b"one", b"own"), *lines[2:]]), 3, id="a line was changed"
        ),
        pytest.param(_by(lambda lines: [*lines[:1], *lines[2:]]), 2, id="a line was removed"),
        pytest.param(_by(lambda lines: [*lines[:2], lines[1], *lines[2:]]), 3, id="a line was repeated"),
        pytest.param(_by(lambda lines: [lines[0], lines[2], lines[1], lines[3]]), 2, id="two lines changed places"),
        pytest.param(_by(lambda lines: [lines[0], b"not JSON\n", *lines[1:]]), 2, id="something else was put in"),
        pytest.param(_by(lambda lines: [lines[0], b"{}\n", *lines[1:]]), 2, id="a line without a hash was put in"),
    ],
)
def test_the_first_line_that_does_not_fit_is_named(log: Path, change: Change, number: int) -> None:
    log.write_bytes(b"".join(change(lines_of(log))))
    fault = verified(log).fault
    assert fault is not None
    assert fault.number == number


@pytest.mark.parametrize("left_bytes", [1, 40])
def test_a_line_that_a_crash_cut_off_is_told_and_the_chain_goes_on(log: Path, left_bytes: int) -> None:
    *whole, last = lines_of(log)
    log.write_bytes(b"".join(whole) + last[:left_bytes])
    assert verified(log).torn == (4,)
    written(log, "four")
    verdict = verified(log)
    assert (verdict.count, verdict.torn, verdict.fault) == (5, (4,), None)
    assert json.loads(lines_of(log)[4])["torn"] is True


def test_a_line_that_lacks_only_its_end_is_whole_again(log: Path) -> None:
    log.write_bytes(log.read_bytes().removesuffix(b"\n"))
    written(log, "four")
    assert verified(log).fault is None


def test_a_torn_line_cannot_hide_a_change_of_it(log: Path) -> None:
    *whole, last = lines_of(log)
    log.write_bytes(b"".join(whole) + last[:40])
    written(log, "four")
    after = log.read_bytes().removeprefix(b"".join(whole) + last[:40])
    log.write_bytes(b"".join(whole) + last[:30] + after)
    fault = verified(log).fault
    assert fault is not None
    assert fault.number == 5


def test_a_rotated_file_is_followed_by_a_new_one_that_goes_on(tmp_path: Path) -> None:
    path, old = tmp_path / "audit.log", tmp_path / "audit.log.1"
    chain = Chain(str(path), lambda: "now")
    chain.append("one", {})
    path.rename(old)
    chain.append("two", {})
    chain.close()
    first = verified(old)
    assert (first.count, first.fault) == (2, None)
    assert verified(path, before=first.last).fault is None
    assert verified(path, before=START).fault is not None


def test_two_processes_cannot_write_to_one_file(log: Path) -> None:
    chain = Chain(str(log), lambda: "now")
    with pytest.raises(BlockingIOError):
        Chain(str(log), lambda: "now")
    chain.close()
    assert verified(log).fault is None


def test_lines_that_could_not_be_written_are_counted_in_the_next_one(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Chain(str(log), lambda: "now")
    with monkeypatch.context() as full:
        full.setattr("os.write", _refuse)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                chain.append("lost", {})
    chain.append("found", {})
    chain.close()
    assert json.loads(lines_of(log)[-1])["lost"] == 2
    assert verified(log).fault is None


def _refuse(descriptor: int, data: bytes) -> int:
    del descriptor, data
    raise OSError(28, "No space left on device")


def test_a_last_line_longer_than_what_is_read_at_once_is_found(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    written(path, "x" * 200_000)
    written(path, "after")
    assert verified(path).fault is None
