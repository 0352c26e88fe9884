"""The objects that readers of a cache share stay as they were decoded, in every story."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.runtime.decoding import Decoder
from kubechain.runtime.metadata import Stored
from kubechain.runtime.resource import Resource
from test.simulation.plans import REFERENCE
from test.simulation.scenarios import BY_NAME
from test.simulation.simulation import simulate

SEED = 11


@pytest.mark.parametrize("name", BY_NAME)
def test_no_reader_changes_what_it_shares_with_others(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changed: set[str] = set()
    shared: list[tuple[Decoder[Any], Stored, Any]] = []
    decode = Decoder[Any].decode

    def watched(decoder: Decoder[Any], held: Stored) -> Any:
        obj = decode(decoder, held)
        if decoder.resource.is_frozen and not decoder.resource.metadata_only:
            shared.append((decoder, held, obj))
        return obj

    monkeypatch.setattr(Decoder, "decode", watched)
    simulate(BY_NAME[name], REFERENCE, SEED)
    for decoder, held, obj in {id(obj): (decoder, held, obj) for decoder, held, obj in shared}.values():
        resource = decoder.resource
        if _content(resource, obj) != _content(resource, resource.decode(held.raw)):
            changed.add(f"{resource.kind}/{obj.metadata.name}")
    assert shared
    assert changed == set()


def _content(resource: Resource[Any], obj: Any) -> object:
    """What is compared; of a kind that we only read, and so cannot encode, the object as it was decoded."""
    try:
        return resource.encode(obj)
    except TypeError:
        return repr(obj)
