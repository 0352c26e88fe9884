"""Checks that hold for all kinds, as in kube-apiserver's admission plugin NamespaceLifecycle."""

from __future__ import annotations

from kubechain_apiserver.engine.context import Core
from kubechain_apiserver.store.storage import Key
from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.errors import Cause
from kubechain_apiserver.wire.registry import GroupResource, ResourceInfo

NAMESPACES = GroupResource("", "namespaces")
PROTECTED_NAMESPACES = frozenset({"default", "kube-system", "kube-public"})


def check_namespace(core: Core, info: ResourceInfo, namespace: str, name: str) -> None:
    """Refuse to create an object in a namespace that does not exist or is being deleted.

    Raises:
        StatusError: The namespace does not exist (404) or is being deleted (403).
    """
    if not info.namespaced:
        return
    record = core.store.get(Key(NAMESPACES, "", namespace))
    if record is None:
        raise errors.not_found("", "namespaces", namespace)
    if record.object["status"].get("phase") == "Terminating":
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        cause = Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")
        raise errors.forbidden(info.group, info.plural, name, why=why, causes=[cause])


def check_definition(info: ResourceInfo, name: str) -> None:
    """Refuse to create an object whose CustomResourceDefinition is being deleted.

    Raises:
        StatusError: The definition is being deleted (403).
    """
    if info.terminating:
        why = "create not allowed while custom resource definition is terminating"
        raise errors.forbidden(info.group, info.plural, name, why=why)


def check_delete(info: ResourceInfo, name: str) -> None:
    """Refuse to delete protected namespaces.

    Raises:
        StatusError: The namespace is protected (403).
    """
    if info.storage_key == NAMESPACES and name in PROTECTED_NAMESPACES:
        raise errors.forbidden("", "namespaces", name, why="this namespace may not be deleted")
