"""A bounded memory of models of which something is known that no setting says; a restart forgets it."""

from __future__ import annotations

from collections import OrderedDict

from kubechain.llm.client import Target

MAX_MODELS = 1_024


class ModelSet:
    """Models, by their address and name; the oldest are forgotten first."""

    def __init__(self) -> None:
        """Begin without one."""
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __contains__(self, target: Target) -> bool:
        """Whether the model was added."""
        return _key(target) in self._known

    def add(self, target: Target) -> None:
        """Remember a model."""
        self._known[_key(target)] = None
        if len(self._known) > MAX_MODELS:
            self._known.popitem(last=False)


def _key(target: Target) -> tuple[str, str]:
    return target.endpoint.base.url, target.model
