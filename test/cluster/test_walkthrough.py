"""The walk-through of the README with the manager in its Pod: the tests of test/e2e, where it is a process."""

from __future__ import annotations

import pytest

from test.e2e.test_walkthrough import *  # noqa: F403

pytestmark = pytest.mark.smoke
