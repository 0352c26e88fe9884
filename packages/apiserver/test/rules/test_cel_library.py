"""The functions that Kubernetes adds to CEL, each with what Go's gives."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain_apiserver.rules import cel


def value_of(expression: str) -> Any:
    return cel.Program(expression).evaluate(cel.bind(None, None, has_old=False))


VALUES: dict[str, Any] = {
    "quantity('1Gi') == quantity('1024Mi')": True,
    "quantity('0.5').compareTo(quantity('500m'))": 0,
    "quantity('1e3').asInteger()": 1000,
    "quantity('-1k').add(1) == quantity('-999')": True,
    "quantity('10').sub(quantity('9.5')).asApproximateFloat()": 0.5,
    "sign(quantity('-1u'))": -1,
    "quantity('1.5').isInteger()": False,
    "isQuantity('1 Gi')": False,
    "isQuantity('1Gi')": True,
    "ip('::1').family()": 6,
    "ip('::0001') == ip('::1')": True,
    "ip.isCanonical('::0001')": False,
    "isIP('::ffff:1.2.3.4')": False,
    "isIP('1.2.3')": False,
    "ip('8.8.8.8').isGlobalUnicast()": True,
    "ip('255.255.255.255').isGlobalUnicast()": False,
    "ip('169.254.1.1').isLinkLocalUnicast()": True,
    "ip('224.0.0.1').isLinkLocalMulticast()": True,
    "ip('0.0.0.0').isUnspecified()": True,
    "isCIDR('10.0.0.0')": False,
    "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')": True,
    "cidr('10.1.2.3/8').ip() == ip('10.1.2.3')": True,
    "cidr('10.0.0.0/8').containsCIDR(cidr('11.0.0.0/16'))": False,
    "cidr('10.0.0.0/8').containsCIDR('::/16')": False,
    "cidr('10.0.0.0/8').containsIP(ip('10.9.9.9'))": True,
    "isURL('relative/path')": False,
    "isURL('/absolute/path')": True,
    "isURL('https://a b')": False,
    "url('https://user@[::1]:8080/x').getHost()": "[::1]:8080",
    "url('https://user@[::1]:8080/x').getHostname()": "::1",
    "url('https://example.com').getPort()": "",
    "url('https://a/?q=1&q=&r').getQuery()": {"q": ["1", ""], "r": [""]},
    "isSemver('1.0')": False,
    "isSemver('v1.0', true)": True,
    "semver('v01.2', true) == semver('1.2.0')": True,
    "semver('1.0.0-alpha.2').isLessThan(semver('1.0.0-alpha.10'))": True,
    "semver('1.0.0-1').isLessThan(semver('1.0.0-a'))": True,
    "semver('1.0.0').isGreaterThan(semver('1.0.0-rc.1'))": True,
    "semver('1.2.3').minor() + semver('1.2.3').patch()": 5,
    "sets.contains([], [])": True,
    "sets.contains([1], [1, 1])": True,
    "sets.intersects([1], [2])": False,
    "sets.equivalent([1, 2], [2, 1, 1])": True,
    "[1, 2, 3].slice(1, 3)": [2, 3],
    "[1, 1, 2].distinct()": [1, 2],
    "[[1], [[2]]].flatten(2)": [1, 2],
    "[3, 1, 2].sort()": [1, 2, 3],
    "lists.range(3)": [0, 1, 2],
    "'a1b22'.findAll('[0-9]+', 1)": ["1"],
    "'abc'.find('x')": "",
}


@pytest.mark.parametrize(("expression", "expected"), VALUES.items(), ids=VALUES.keys())
def test_it_gives_what_go_gives(expression: str, expected: Any) -> None:
    assert value_of(expression) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "quantity('x')",
        "quantity('1.5').asInteger()",
        "ip('x')",
        "cidr('1.1.1.1')",
        "url('x')",
        "semver('1')",
        "[1].slice(0, 2)",
    ],
)
def test_what_cannot_be_read_is_an_error(expression: str) -> None:
    with pytest.raises(cel.EvaluationError):
        value_of(expression)
