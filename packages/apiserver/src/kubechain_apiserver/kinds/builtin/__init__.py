"""The built-in kinds: Namespace, Secret, ConfigMap, ServiceAccount, Event, Lease and CustomResourceDefinition.

Each has a module with its resource, schema and strategy.
"""

from __future__ import annotations

from kubechain_apiserver.kinds.builtin import (
    absent,
    configmaps,
    crds,
    events,
    leases,
    namespaces,
    secrets,
    serviceaccounts,
)
from kubechain_apiserver.kinds.strategy import Strategy
from kubechain_apiserver.wire.registry import ResourceInfo


def strategies() -> list[Strategy]:
    """Return the strategies, one for each stored resource."""
    return [
        configmaps.ConfigMapStrategy(configmaps.INFO),
        events.EventStrategy(events.CORE),
        namespaces.NamespaceStrategy(namespaces.INFO),
        secrets.SecretStrategy(secrets.INFO),
        Strategy(serviceaccounts.INFO),
        crds.CustomResourceDefinitionStrategy(crds.INFO),
        leases.LeaseStrategy(leases.INFO),
        *(Strategy(info) for info in absent.INFOS),
    ]


def infos() -> list[ResourceInfo]:
    """Return all served resources, in the order of discovery."""
    return [
        configmaps.INFO,
        events.CORE,
        namespaces.INFO,
        secrets.INFO,
        serviceaccounts.INFO,
        crds.INFO,
        leases.INFO,
        events.NEW,
        *absent.INFOS,
    ]
