"""The bucket of each run, of its calls and of its requests, where replicas share the runs.

A tree has one bucket, by the name of its root in the label that all its objects have, so that one replica has all of
it. What must not go here: who has which bucket.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubechain.api.humanrequest import HumanRequest
from kubechain.api.lineage import LABEL_ROOT
from kubechain.api.names import label_value
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers import resources
from kubechain.runtime.changes import Change
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager
from kubechain.runtime.resource import Resource
from kubechain.runtime.shards.gate import BucketOf
from kubechain.runtime.shards.model import bucket_of

Shared = TaskRun | TaskRunToolCall | HumanRequest
"""The kinds whose objects are shared by their buckets."""

KINDS: Sequence[Resource[Any]] = (resources.TASK_RUNS, resources.TOOL_CALLS, resources.HUMAN_REQUESTS)


def bucket(obj: Shared) -> int:
    """The bucket of an object: what it says of itself is enough, and nobody changes it."""
    root = obj.metadata.labels.get(LABEL_ROOT) or label_value(_run_of(obj))
    return bucket_of(obj.metadata.namespace, root)


def _run_of(obj: Shared) -> str:
    match obj:
        case TaskRun():
            return obj.metadata.name
        case TaskRunToolCall():
            return obj.spec.task_run_ref.name
        case HumanRequest():
            return obj.spec.request.task_run_ref.name


class Buckets:
    """The buckets of all cached objects, so that keys need not be decoded. Empty where one replica does all."""

    def __init__(self, manager: Manager) -> None:
        """Follow the caches; before the control loops do, which ask at each change."""
        self._known: dict[Resource[Any], dict[Request, int]] = {kind: {} for kind in KINDS}
        for kind, known in self._known.items() if manager.gate is not None else ():
            manager.informer(kind).add_handler(lambda change, known=known: _note(known, change))

    def of(self, kind: Resource[Any]) -> BucketOf:
        """How to find the bucket of a key of this kind."""
        return self._known[kind].get


def _note(known: dict[Request, int], change: Change[Any]) -> None:
    current = change.current()
    if current is None:
        known.pop(change.key, None)
    else:
        known[change.key] = bucket(current)
