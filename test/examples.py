"""How many examples a property is tried with that needs more or fewer of them than the profile says."""

from __future__ import annotations

from hypothesis import settings

SHORT_SHARE = 5
"""The short profile tries one of so many."""

SHORT_MIN = 10


def examples(count: int) -> int:
    """Return how many examples to try: `count` in the long profile, a part of them in the short one."""
    if settings.get_current_profile_name() == "long":
        return count
    return min(count, max(SHORT_MIN, count // SHORT_SHARE))
