"""Flags and the environment behind them."""

from __future__ import annotations

import argparse

import pytest

from kubechain.cli.flags import (
    Address,
    Flags,
    address,
    boolean,
    names,
    namespace,
    namespaces,
    networks,
    object_name,
    positive,
    seconds,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("30s", 30.0, id="seconds"),
        pytest.param("1m30s", 90.0, id="minutes and seconds"),
        pytest.param("1.5h", 5400.0, id="a fraction of an hour"),
        pytest.param("500ms", 0.5, id="milliseconds are not minutes"),
        pytest.param("45", 45.0, id="a bare number means seconds"),
    ],
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(":8080", Address("", 8080), id="every interface"),
        pytest.param("127.0.0.1:0", Address("127.0.0.1", 0), id="any free port on loopback"),
        pytest.param("[::1]:8081", Address("::1", 8081), id="IPv6 in brackets"),
        pytest.param("0", None, id="0 turns it off"),
    ],
)
def test_addresses(text: str, expected: Address | None) -> None:
    assert address(text) == expected


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        pytest.param(seconds, "soon", id="no duration"),
        pytest.param(seconds, "5d", id="days are no unit of Go's"),
        pytest.param(address, "8080", id="a port without its colon"),
        pytest.param(address, ":70000", id="a port out of range"),
        pytest.param(boolean, "maybe", id="no truth value"),
        pytest.param(networks, "10.0.0.0/8,ingress", id="no network"),
        pytest.param(networks, "10.0.0.1/8", id="an address in a network"),
        pytest.param(namespaces, "a,Foo Bar", id="no name of a namespace"),
        pytest.param(namespaces, "a_b", id="an underscore in a namespace"),
        pytest.param(namespaces, "a" * 64, id="a namespace of 64 characters"),
        pytest.param(namespace, "a,b", id="two namespaces for one"),
        pytest.param(object_name, "Lease", id="no name of an object"),
        pytest.param(positive, "0", id="nothing at a time"),
    ],
)
def test_nonsense_is_refused_and_quoted(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(argparse.ArgumentTypeError, match=text.rpartition(",")[2]):
        parse(text)


def parsed(arguments: list[str], environment: dict[str, str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    flags = Flags(parser, environment)
    flags.switch("--leader-elect", default=False, help="h")
    flags.value("--namespaces", default="", type=names, aliases=("WATCH_NAMESPACE",), help="h")
    flags.value("--log-level", default="info", choices=("info", "debug"), help="h")
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], False, id="off by default"),
        pytest.param(["--leader-elect"], True, id="on when named"),
        pytest.param(["--leader-elect=true"], True, id="on as Go users write it"),
        pytest.param(["--leader-elect=false"], False, id="off when said"),
    ],
)
def test_switches(arguments: list[str], expected: bool) -> None:
    assert parsed(arguments, {}).leader_elect is expected


def test_the_environment_fills_in_what_the_command_line_leaves_out() -> None:
    options = parsed(
        ["--log-level=info"],
        {"KUBECHAIN_LEADER_ELECT": "true", "KUBECHAIN_LOG_LEVEL": "debug", "WATCH_NAMESPACE": "a, b"},
    )
    assert options.leader_elect is True
    assert options.log_level == "info"
    assert options.namespaces == ("a", "b")


def test_our_own_variable_wins_over_a_borrowed_one() -> None:
    assert parsed([], {"KUBECHAIN_NAMESPACES": "ours", "WATCH_NAMESPACE": "theirs"}).namespaces == ("ours",)


def test_a_wrong_variable_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parsed([], {"KUBECHAIN_LOG_LEVEL": "loud"})
    assert 'environment variable KUBECHAIN_LOG_LEVEL: one of info, debug expected: "loud"' in capsys.readouterr().err


def test_a_wrong_flag_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parsed(["--log-level=loud"], {})
    assert "--log-level" in capsys.readouterr().err
