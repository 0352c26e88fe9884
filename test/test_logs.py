"""What a reader of the log sees, and what nobody ever sees."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import structlog

from kubechain import logs
from kubechain.net.redaction import REDACTED, scrubbed


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in out.getvalue().splitlines()]


def test_json_lines_begin_with_when_how_bad_what_and_about_whom() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    structlog.get_logger().info(
        "phase changed", duration_seconds=0.5, next_phase="Pending", name="run-1", controller="taskrun", uid="u"
    )
    [line] = lines(out)
    assert list(line) == ["time", "level", "message", "controller", "name", "next_phase", "duration_seconds", "uid"]
    assert line["level"] == "info"
    assert line["time"].endswith("Z")


def test_ids_of_the_reconcile_reach_each_line() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    with structlog.contextvars.bound_contextvars(trace_id="t", reconcile_id="r"):
        structlog.get_logger().info("phase changed")
        logging.getLogger("some.library").warning("slow: %s", "reply")
    ours, theirs = lines(out)
    assert (ours["trace_id"], ours["reconcile_id"]) == ("t", "r")
    assert (theirs["message"], theirs["logger"], theirs["reconcile_id"]) == ("slow: reply", "some.library", "r")


def test_the_level_holds_for_us_and_for_libraries() -> None:
    out = io.StringIO()
    logs.configure(stream=out, level="warning")
    structlog.get_logger().info("a detail")
    logging.getLogger("some.library").info("a detail")
    structlog.get_logger().error("a failure")
    assert [line["message"] for line in lines(out)] == ["a failure"]


def test_a_line_on_a_terminal_reads_as_a_sentence() -> None:
    out = Terminal()
    logs.configure(stream=out)
    structlog.get_logger().info(
        "Task validated successfully",
        controller="taskrun",
        namespace="default",
        name="hello-1",
        phase="",
        next_phase="ReadyForLLM",
        duration_seconds=0.0123,
    )
    text = out.getvalue()
    assert "\033[" in text
    plain = logs.ConsoleRenderer(colour=False)(
        None,
        "info",
        {"time": "12:00:01.123456", "level": "info", "message": "m", "controller": "taskrun", "namespace": "default"}
        | {"name": "hello-1", "phase": "", "next_phase": "ReadyForLLM", "duration_seconds": 0.0123},
    )
    assert plain == "12:00:01.123  info     taskrun default/hello-1  · → ReadyForLLM  m  duration_seconds=0.012"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        pytest.param("Authorization: Bearer abcdefghij123456", "abcdefghij123456", id="a bearer token"),
        pytest.param("key sk-proj-abcdefghijklmnop refused", "abcdefghijklmnop", id="an OpenAI key"),
        pytest.param("AIzaSyA1234567890abcdefghijklmno", "A1234567890", id="a Google key"),
        pytest.param("http://user:hunter22@proxy:3128", "hunter22", id="a password in a URL"),
        pytest.param("xoxb-1234567890-abcdef", "1234567890", id="a Slack token"),
        pytest.param("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2ln", "eyJzdWIi", id="a service account's token"),
    ],
)
def test_what_looks_like_a_secret_is_replaced(text: str, hidden: str) -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    structlog.get_logger().info("refused", error=text, nested={"list": [text]})
    logging.getLogger("some.library").error(text)
    try:
        raise ValueError(text)
    except ValueError:
        structlog.get_logger().exception("failed")
    assert len(lines(out)) == 3
    assert hidden not in out.getvalue()
    assert out.getvalue().count(REDACTED) == 4


@pytest.mark.parametrize("key", ["api_key", "Authorization", "password"])
def test_a_telling_key_hides_its_value(key: str) -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    structlog.get_logger().info("connected", **{key: "plain"}, headers={key: "plain"})
    assert "plain" not in out.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Waiting for task-runner to become ready", id="a name with sk- inside"),
        pytest.param("http://127.0.0.1:8080/v1", id="a URL with a port"),
        pytest.param("input_tokens=12", id="a count of tokens"),
    ],
)
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert scrubbed(text) == text


TRANSITION = {
    "level": "info",
    "message": "transition",
    "detail": "Task Run Created",
    "status": "",
    "next_status": "Ready",
    "reason": "TaskRunCreated",
    "attempt": 0,
    "reconcile_id": "00ff",
    "trace_id": "a" * 32,
}


def test_a_transition_is_told_by_its_detail_without_ids_and_without_its_reason() -> None:
    line = logs.ConsoleRenderer(colour=False)(None, "info", TRANSITION)
    assert line == "info     · → Ready  Task Run Created"


def test_a_status_that_stays_is_no_change() -> None:
    line = logs.ConsoleRenderer(colour=False)(None, "info", {**TRANSITION, "status": "Ready"})
    assert line == "info     Ready  Task Run Created"


def test_whoever_debugs_sees_the_ids_on_a_terminal_too() -> None:
    line = logs.ConsoleRenderer(colour=False, is_debugging=True)(None, "info", TRANSITION)
    assert line == (
        f"info     · → Ready  Task Run Created  reason=TaskRunCreated attempt=0 reconcile_id=00ff trace_id={'a' * 32}"
    )


@pytest.mark.parametrize(("level", "has_ids"), [("debug", True), ("info", False)])
def test_the_level_decides_whether_a_terminal_has_ids(level: str, has_ids: bool) -> None:
    out = Terminal()
    logs.configure(stream=out, level=level)
    structlog.get_logger().info("stopped", reconcile_id="00ff")
    assert ("00ff" in out.getvalue()) == has_ids


def test_lines_of_json_always_have_ids_and_reason() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    structlog.get_logger().info("transition", reconcile_id="00ff", trace_id="a", reason="Waiting", attempt=0)
    assert {"reconcile_id", "trace_id", "reason", "attempt"} <= set(lines(out)[0])


def test_a_traceback_follows_the_line_on_a_terminal() -> None:
    out = Terminal()
    logs.configure(stream=out)
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("failed")
    assert out.getvalue().rstrip().endswith("ValueError: broken")
