"""A Prometheus that scrapes one manager: for tests of what is asked of it, and for the picture of the dashboard."""

from __future__ import annotations

import json
import math
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from test.e2e import processes
from test.e2e.processes import Program
from test.prometheus.programs import program

DEADLINE_SECONDS = 90.0

CONFIG = """\
global: {{scrape_interval: {seconds}s, scrape_timeout: {seconds}s}}
scrape_configs:
  - job_name: kubechain-metrics
    honor_labels: true
    static_configs:
      - targets: ["{target}"]
        labels: {{namespace: kubechain-system}}
"""


def get(url: str) -> bytes:
    """What is there, without a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as reply:
        return reply.read()


class Prometheus:
    """Prometheus, not started yet.

    Attributes:
        url: Where it listens.
        program: Its process.
    """

    def __init__(self, target: str, folder: Path, *, scrape_seconds: int = 1) -> None:
        """Write its configuration.

        Args:
            target: Host and port of the manager's metrics.
            folder: For its data.
            scrape_seconds: Between two scrapes.
        """
        self.url = f"http://127.0.0.1:{processes.free_port()}"
        self._scrape_seconds = scrape_seconds
        (folder / "prometheus.yml").write_text(CONFIG.format(target=target, seconds=scrape_seconds))
        arguments = [
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        command = (str(program("prometheus")),)
        self.program = Program(arguments, folder / "prometheus.log", f"{self.url}/-/ready", command=command)

    def ask(self, endpoint: str, **parameters: str) -> list[dict[str, Any]]:
        """The series that `query` or `query_range` finds."""
        found: dict[str, Any] = json.loads(get(f"{self.url}/api/v1/{endpoint}?{urllib.parse.urlencode(parameters)}"))
        assert found["status"] == "success", found
        return found["data"]["result"]

    def query(self, query: str) -> list[float]:
        """The values that a query finds, without those that are no number."""
        values = [float(one["value"][1]) for one in self.ask("query", query=query)]
        return [value for value in values if not math.isnan(value)]

    def until_found(self, queries: list[str]) -> None:
        """Wait until every query finds something."""
        deadline, left = time.monotonic() + DEADLINE_SECONDS, queries
        while left := [query for query in left if not self.query(query)]:
            assert time.monotonic() < deadline, f"nothing found by: {left}"
            self.wait_for_scrapes(1)

    def wait_for_scrapes(self, count: int) -> None:
        """Return when there are so many scrapes more than now."""
        assert self.program.popen is not None
        for _ in range(count):
            with pytest.raises(subprocess.TimeoutExpired):
                self.program.popen.wait(self._scrape_seconds)
