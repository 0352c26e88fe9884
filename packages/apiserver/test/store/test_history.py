"""What the past costs."""

from __future__ import annotations

from kubechain_apiserver.store import history
from kubechain_apiserver.store.storage import Key, MemoryStorage
from kubechain_apiserver.store.store import Store
from kubechain_apiserver.wire.registry import GroupResource


def test_of_the_past_only_bytes_are_kept() -> None:
    """Parsed objects take several times as much memory; one that is parsed twice is another object."""
    store = Store(MemoryStorage())
    key = Key(GroupResource("example.com", "widgets"), "default", "w")
    replaced = store.put(key, {"metadata": {"name": "w"}})
    present = store.put(key, {"metadata": {"name": "w"}, "spec": {}})
    other = store.put(key._replace(name="gone"), {"metadata": {"name": "gone"}})
    deleted = store.delete(other.key)
    parsed = [record.object for record in (replaced, present, other, deleted)]
    for number in range(history.WARM):
        store.put(key._replace(name=f"later-{number}"), {"metadata": {"name": "w"}})
    now = [record.object for record in (replaced, present, other, deleted)]
    assert now == parsed
    assert [one is before for one, before in zip(now, parsed, strict=True)] == [False, True, False, False]
