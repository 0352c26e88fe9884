"""Command-line flags in the form of Go operators, each with an environment variable as its default.

`--leader-elect` and `--leader-elect=false` both work, durations are written `30s` or `1m30s`, addresses `:8080`, and
`0` turns a listener off. A flag on the command line wins over the environment.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

ENVIRONMENT_PREFIX: Final = "KUBECHAIN_"

NAMESPACES: Final = "--namespaces"
NAMESPACES_ALIASES: Final = ("WATCH_NAMESPACE",)
"""Read by the manager, and by `kubechain doctor` in the manager's Deployment."""


_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|h|m|s))+|\d+(?:\.\d+)?")
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)?")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_HIGHEST_PORT: Final = 65535
_NAMESPACE: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_LONGEST_NAME: Final = 253


@dataclass(frozen=True, slots=True)
class Address:
    """An address to listen on.

    Attributes:
        host: Empty means every interface.
        port: 0 means any free port.
    """

    host: str
    port: int

    def __str__(self) -> str:
        """Return `host:port`, with an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def boolean(text: str) -> bool:
    """Parse a boolean as Go's flag package does."""
    match text.lower():
        case "1" | "t" | "true" | "yes" | "on":
            return True
        case "0" | "f" | "false" | "no" | "off" | "":
            return False
        case _:
            raise argparse.ArgumentTypeError(f'true or false expected: "{text}"')


def seconds(text: str) -> float:
    """Parse a duration such as `30s`, `1m30s`, `500ms`; a bare number means seconds."""
    if not _DURATION.fullmatch(text):
        raise argparse.ArgumentTypeError(f'a duration such as 30s or 1m30s expected: "{text}"')
    return sum(float(number) * _SECONDS[unit or "s"] for number, unit in _DURATION_PART.findall(text))


def address(text: str) -> Address | None:
    """Parse `:8080`, `127.0.0.1:8080` or `[::1]:8080`; None, which means no listener, for `0` and the empty text."""
    if text in {"", "0"}:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f'an address such as :8080, or 0 for none, expected: "{text}"')
    return Address(host=host.removeprefix("[").removesuffix("]"), port=int(port))


def positive(text: str) -> int:
    """Parse a whole number above zero."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'a whole number above zero expected: "{text}"')
    return int(text)


def names(text: str) -> tuple[str, ...]:
    """Parse a comma-separated list; empty for the empty text."""
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Parse a comma-separated list of networks, such as 10.0.0.0/8; an address is a network of its own."""
    try:
        return tuple(ipaddress.ip_network(name) for name in names(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not a network, such as 10.0.0.0/8: {error}") from error


def namespaces(text: str) -> tuple[str, ...]:
    """Parse a comma-separated list of names of namespaces."""
    listed = names(text)
    wrong = [name for name in listed if not _NAMESPACE.fullmatch(name)]
    if wrong:
        expected = "lower-case letters, digits and '-', at most 63, with commas between the names"
        raise argparse.ArgumentTypeError(f'not the name of a namespace: "{wrong[0]}" ({expected})')
    return listed


def namespace(text: str) -> str:
    """Parse the name of a namespace; empty for the empty text."""
    if "," in text:
        raise argparse.ArgumentTypeError(f'one namespace expected: "{text}"')
    return "".join(namespaces(text))


def object_name(text: str) -> str:
    """Parse the name of an object, such as a Lease."""
    if len(text) > _LONGEST_NAME or not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f'the name of an object (lower-case letters, digits, "-", ".") expected: "{text}"'
        )
    return text


class Flags:
    """Adds flags to a parser, with defaults from the environment."""

    def __init__(self, parser: argparse.ArgumentParser, environment: Mapping[str, str] | None = None) -> None:
        """Create it for a parser.

        Args:
            parser: To add flags to.
            environment: None means the process's own.
        """
        self._parser = parser
        self._environment = os.environ if environment is None else environment

    def switch(self, flag: str, *, default: bool, help: str) -> None:
        """Add a boolean flag, with or without a value."""
        self._parser.add_argument(
            flag,
            type=boolean,
            nargs="?",
            const=True,
            metavar="true|false",
            default=self._default([variable_of(flag)], boolean, str(default).lower()),
            help=_help(help, str(default).lower(), [variable_of(flag)]),
        )

    def value(
        self,
        flag: str,
        *,
        default: str,
        help: str,
        type: Callable[[str], object] = str,
        metavar: str | None = None,
        aliases: Sequence[str] = (),
        choices: Sequence[str] | None = None,
        has_variable: bool = True,
    ) -> None:
        """Add a flag with a value.

        Args:
            flag: Such as `--log-level`.
            default: As text, before `type`.
            help: One or two sentences; default value and variable are appended.
            type: Parses the text, raising `argparse.ArgumentTypeError`.
            metavar: The name of the value in the help.
            aliases: Further environment variables, read after our own, such as `WATCH_NAMESPACE`.
            choices: The allowed values.
            has_variable: False for a flag without an environment variable.
        """
        parse = type if choices is None else _one_of(choices)
        variables = [variable_of(flag), *aliases] if has_variable else []
        extra: dict[str, Any] = {"metavar": metavar} if metavar else {}
        self._parser.add_argument(
            flag,
            type=parse,
            default=self._default(variables, parse, default),
            help=_help(help, default, variables),
            **extra,
        )

    def _default(self, variables: Sequence[str], parse: Callable[[str], object], default: str) -> object:
        for variable in variables:
            if variable in self._environment:
                try:
                    return parse(self._environment[variable])
                except argparse.ArgumentTypeError as error:
                    self._parser.error(f"environment variable {variable}: {error}")
        return parse(default)


def _help(text: str, default: str, variables: Sequence[str]) -> str:
    notes = [f"default: {default}"] if default else []
    notes += [f"environment: {', '.join(variables)}"] if variables else []
    return (f"{text} ({'; '.join(notes)})" if notes else text).replace("%", "%%")


def variable_of(flag: str) -> str:
    """The environment variable of a flag: `KUBECHAIN_LOG_LEVEL` for `--log-level`."""
    return ENVIRONMENT_PREFIX + flag.removeprefix("--").replace("-", "_").upper()


def _one_of(choices: Sequence[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f'one of {", ".join(choices)} expected: "{text}"')
        return text

    return parse
