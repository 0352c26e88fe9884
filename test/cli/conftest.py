"""What the tests of commands share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from test.cli import cast
from test.cli.stage import Stage, a_stage


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage for commands that write nothing."""
    with a_stage(tmp_path_factory.mktemp("home")) as stage:
        stage.put(*cast.everything())
        yield stage
