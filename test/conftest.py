"""What holds for every test of the project."""

from __future__ import annotations

from hypothesis import settings

# A time limit for each example measures the machine's other work, not ours.
settings.register_profile("kubechain", deadline=None)
settings.load_profile("kubechain")
