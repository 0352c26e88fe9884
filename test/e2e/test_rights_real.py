"""Exactly what the manager and each role for people may do, as kube-apiserver judges it: the tables are complete."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

import pytest

from test.e2e.cluster import Cluster
from test.e2e.rights import Judge, Person, Rights, judge, rbac_of, rights, rules_of
from test.e2e.test_release_real import CONFIG

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

KINDS = (
    "agents",
    "approvalpolicies",
    "budgets",
    "contactchannels",
    "contextchunks",
    "humanrequests",
    "llms",
    "mcpservers",
    "taskruns",
    "taskruntoolcalls",
    "tasks",
    "tools",
)
"""Of ours."""


def ours(*plurals: str, part: str = "") -> str:
    """The names of kinds of ours, or of a subresource of each."""
    return " ".join(f"{plural}{part}.kubechain.humanlayer.dev" for plural in plurals)


WITHOUT_CHUNKS = [plural for plural in KINDS if plural != "contextchunks"]

MANAGER = rights(
    {
        ours(*WITHOUT_CHUNKS): "get list watch",
        ours(*WITHOUT_CHUNKS, part="/status"): "update",
        ours("taskruns"): "create delete patch",
        ours("taskruntoolcalls"): "create patch",
        ours("contextchunks"): "create get",
        ours("humanrequests"): "create patch",
        ours("taskruns", "taskruntoolcalls", "tasks", part="/finalizers"): "update",
        "localsubjectaccessreviews.authorization.k8s.io": "create",
        "secrets": "get",
        "events.events.k8s.io": "create patch",
        "jobs.batch": "create delete get",
        "pods": "list watch",
        "events": "list",
        "pods/log": "get",
        "serviceaccounts": "get",
        "validatingadmissionpolicies.admissionregistration.k8s.io#kubechain-human-requests "
        "validatingadmissionpolicybindings.admissionregistration.k8s.io#kubechain-human-requests": "get",
    }
)
LEASES = rights({"leases.coordination.k8s.io": "create delete get list patch update watch"})
"""In the manager's own namespace."""
ISOLATION = rights(
    {
        "deployments.apps networkpolicies.networking.k8s.io serviceaccounts services": (
            "create delete get list update watch"
        ),
        "secrets": "create get",
        "pods": "list watch",
    }
)
SECRET_WATCH = rights({"secrets": "list watch"})
METRICS = rights({"tokenreviews.authentication.k8s.io subjectaccessreviews.authorization.k8s.io": "create"})

MANAGERS: Mapping[str, tuple[tuple[str, ...], Rights, Rights]] = {
    "default": (("default",), MANAGER, MANAGER | LEASES),
    "namespaced": (("namespaced",), frozenset(), MANAGER | LEASES),
    "hardened": (("hardened",), MANAGER | ISOLATION, MANAGER | ISOLATION | LEASES),
    "default and secret-watch": (
        ("default", "secret-watch"),
        MANAGER | SECRET_WATCH,
        MANAGER | SECRET_WATCH | LEASES,
    ),
    "default and metrics-secured": (
        ("default", "metrics-secured/rbac"),
        MANAGER | METRICS,
        MANAGER | METRICS | LEASES,
    ),
}
"""By overlay: its folders, the rights elsewhere, and the rights in the manager's own namespace."""

READ = "get list watch"
WRITE = "create delete deletecollection get list patch update watch"

ROLES: Mapping[str, Rights] = {
    "viewer": rights({ours(*KINDS): READ}),
    "editor": rights(
        {
            ours("agents", "contactchannels", "llms", "taskruns", "tasks", "tools"): WRITE,
            ours("taskruntoolcalls"): "delete deletecollection get list watch",
            ours("approvalpolicies", "budgets", "contextchunks", "humanrequests", "mcpservers"): READ,
        }
    ),
    "tool-admin": rights({ours("mcpservers"): WRITE}),
    "policy-admin": rights({ours("approvalpolicies", "budgets"): WRITE}),
    "approver": rights({ours("humanrequests"): "get list patch watch", ours("taskruns", "taskruntoolcalls"): READ}),
    "metrics-reader": rights({"/metrics": "get"}),
}

VERBS = "get list watch create update patch delete deletecollection"
ASKED = (
    rights(
        {
            ours(*KINDS): f"{VERBS} approve",
            ours(*KINDS, part="/status"): VERBS,
            ours(*KINDS, part="/finalizers"): "update",
            "secrets configmaps pods services serviceaccounts namespaces nodes events endpoints": VERBS,
            "pods/exec pods/attach pods/portforward pods/proxy services/proxy nodes/proxy": "get create",
            "pods/ephemeralcontainers": "patch update",
            "pods/log": "get",
            "pods/eviction serviceaccounts/token": "create",
            "deployments.apps daemonsets.apps statefulsets.apps replicasets.apps jobs.batch cronjobs.batch": VERBS,
            "deployments/scale.apps": "get patch update",
            "events.events.k8s.io leases.coordination.k8s.io networkpolicies.networking.k8s.io": VERBS,
            "roles.rbac.authorization.k8s.io clusterroles.rbac.authorization.k8s.io": f"{VERBS} bind escalate",
            "rolebindings.rbac.authorization.k8s.io clusterrolebindings.rbac.authorization.k8s.io": VERBS,
            "users groups serviceaccounts userextras/scopes.authentication.k8s.io": "impersonate",
            "tokenreviews.authentication.k8s.io subjectaccessreviews.authorization.k8s.io": "create",
            "localsubjectaccessreviews.authorization.k8s.io": "create",
            "validatingadmissionpolicies.admissionregistration.k8s.io": VERBS,
            "validatingadmissionpolicybindings.admissionregistration.k8s.io": VERBS,
            "validatingadmissionpolicies.admissionregistration.k8s.io#kubechain-human-requests": "get delete update",
            "validatingadmissionpolicybindings.admissionregistration.k8s.io#kubechain-human-requests": "get delete",
            "mutatingwebhookconfigurations.admissionregistration.k8s.io": VERBS,
            "customresourcedefinitions.apiextensions.k8s.io": VERBS,
            "certificatesigningrequests.certificates.k8s.io": VERBS,
            "signers.certificates.k8s.io": "approve sign",
            "flowschemas.flowcontrol.apiserver.k8s.io": VERBS,
            "/metrics": "get",
        }
    )
    .union(*ROLES.values())
    .union(*(own for _, _, own in MANAGERS.values()))
)
"""What each is asked about: every verb on our kinds, and what would let somebody rise above their rights."""


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Iterator[Judge]:
    with judge(cluster) as found:
        yield found


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Callable[[str], str]:
    """Installs the rights of an overlay once, and returns the namespace of its manager."""
    namespaces: dict[str, str] = {}

    def install(name: str) -> str:
        if name not in namespaces:
            namespaces[name] = f"rights-{name.replace(' ', '-')}"
            cluster.kubectl("create", "namespace", namespaces[name])
            items = rbac_of(*MANAGERS[name][0], of=namespaces[name])
            whole = {"apiVersion": "v1", "kind": "List", "items": items}
            cluster.kubectl("apply", "-f", "-", stdin=json.dumps(whole))
        return namespaces[name]

    return install


@pytest.mark.parametrize("name", MANAGERS)
def test_a_manager_may_do_exactly_this(
    name: str, cluster: Cluster, api: Judge, installed: Callable[[str], str]
) -> None:
    own = installed(name)
    _, elsewhere, at_home = MANAGERS[name]
    user = f"system:serviceaccount:{own}:kubechain-manager"
    for namespace, expected in (("default", elsewhere), (own, at_home)):
        assert rules_of(cluster, user, namespace) == expected, f"in {namespace}"
        assert api.allowed(Person(user), ASKED, namespace) == expected, f"in {namespace}"
    assert api.allowed(Person(user), ASKED, "") == elsewhere, "in all namespaces"


@pytest.fixture(scope="module")
def people(cluster: Cluster) -> None:
    """A user for each role, named after it."""
    cluster.kubectl("apply", "-f", f"{CONFIG}/manager/namespace.yaml")
    cluster.kubectl("apply", "-k", f"{CONFIG}/rbac")
    cluster.kubectl("apply", "-k", f"{CONFIG}/metrics-secured/rbac")
    for role in ROLES:
        name = f"rights-{role}"
        cluster.kubectl("create", "clusterrolebinding", name, f"--clusterrole=kubechain-{role}", f"--user={name}")


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("role", ROLES)
def test_a_role_for_people_gives_exactly_this(role: str, cluster: Cluster, api: Judge) -> None:
    user = f"rights-{role}"
    assert rules_of(cluster, user, "default") == ROLES[role]
    for namespace in ("default", ""):
        assert api.allowed(Person(user), ASKED, namespace) == ROLES[role]


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("role", ROLES)
def test_nobody_but_the_manager_writes_a_status(role: str, cluster: Cluster) -> None:
    for kind in KINDS:
        patch = ("patch", f"{kind}.kubechain.humanlayer.dev", "x", "--subresource=status", "--type=merge", "-p", "{}")
        assert "(Forbidden)" in cluster.kubectl("-n", "default", *patch, f"--as=rights-{role}", fails=True).err


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("kind", "sample"),
    [
        pytest.param("mcpservers", "mcpserver", id="a server"),
        pytest.param("taskruntoolcalls", "taskruntoolcall", id="a call"),
    ],
)
def test_an_editor_writes_neither_mcp_servers_nor_tool_calls(kind: str, sample: str, cluster: Cluster) -> None:
    create = ("-n", "default", "create", "--validate=false", "-f", f"{CONFIG}/samples/{sample}.yaml")
    said = cluster.kubectl(*create, "--as=rights-editor", fails=True).err
    assert f'cannot create resource "{kind}"' in said
    for verb in ("create", "update", "patch"):
        name = f"{kind}.kubechain.humanlayer.dev"
        assert cluster.kubectl("auth", "can-i", verb, name, "--as=rights-editor", fails=True).out.strip() == "no"


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("role", "joined_by"),
    [
        pytest.param("view", "viewer", id="view"),
        pytest.param("edit", "editor", id="edit"),
        pytest.param("admin", "editor", id="admin"),
    ],
)
def test_one_role_joins_each_of_the_clusters_own(role: str, joined_by: str, cluster: Cluster) -> None:
    """kube-controller-manager adds the rules of those that have the label; the control plane here runs without that."""
    selector = f"rbac.authorization.k8s.io/aggregate-to-{role}=true"
    names = cluster.kubectl("get", "clusterroles", "-l", selector, "-o", "name").lines
    ours_among = [name for name in names if "kubechain" in name]
    assert ours_among == [f"clusterrole.rbac.authorization.k8s.io/kubechain-{joined_by}"]
