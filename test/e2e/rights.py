"""Asks kube-apiserver what somebody may do, and gives the answers as sets that a table can be compared with.

A SelfSubjectRulesReview is complete: it has every rule that binds to who asks. SubjectAccessReviews are what every
request is judged by. The questions go over `kubectl proxy`: kubectl starts too slowly for thousands of them.
"""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from hack.release import kustomized
from test.e2e.cluster import Cluster
from test.e2e.test_release_real import CONFIG

Rights = frozenset[str]
"""Each is `verb resource.group`, with `/name` after it for a single object; a URL stands in place of a resource."""

OURS = "kubechain.humanlayer.dev"
RBAC = ("ServiceAccount", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


def rights(table: Mapping[str, str]) -> Rights:
    """The rights of a table from resources, separated by white space, to verbs."""
    return frozenset(
        f"{verb} {resource}"
        for resources, verbs in table.items()
        for resource in resources.split()
        for verb in verbs.split()
    )


@dataclass(frozen=True, slots=True)
class Person:
    """Who is asked about."""

    user: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judge:
    """The API server, as an administrator asks it."""

    url: str

    def allowed(self, who: Person, asked: Iterable[str], namespace: str) -> Rights:
        """Those of some rights that the authorizer gives in a namespace; with an empty one, in all of them."""
        questions = list(asked)

        def is_allowed_here(right: str) -> bool:
            return self._is_allowed(who, right, namespace)

        with ThreadPoolExecutor(4) as threads:
            answers = threads.map(is_allowed_here, questions)
        return frozenset(right for right, is_allowed in zip(questions, answers, strict=True) if is_allowed)

    def _is_allowed(self, who: Person, right: str, namespace: str) -> bool:
        verb, _, what = right.partition(" ")
        if what.startswith("/"):
            about: dict[str, Any] = {"nonResourceAttributes": {"path": what, "verb": verb}}
        else:
            about = {"resourceAttributes": {"verb": verb, "namespace": namespace, **_parted(what)}}
        spec = {"user": who.user, "groups": list(who.groups), **about}
        return self.post("authorization.k8s.io/v1", "SubjectAccessReview", spec)["allowed"]

    def post(self, version: str, kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Make a review, and return its status."""
        body = json.dumps({"apiVersion": version, "kind": kind, "spec": spec}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/apis/{version}/{kind.lower()}s", body, headers)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)["status"]


def _parted(what: str) -> dict[str, str]:
    """Group, resource, subresource and name of `plural[/subresource].group[#name]`."""
    resource, _, name = what.partition("#")
    plural, _, group = resource.partition(".")
    plural, _, subresource = plural.partition("/")
    return {"group": group, "resource": plural, "subresource": subresource, "name": name}


@contextmanager
def judge(cluster: Cluster) -> Generator[Judge]:
    """Ask the API server by way of `kubectl proxy`."""
    command = ["kubectl", "proxy", "--port=0"]
    with subprocess.Popen(command, env=dict(cluster.environment), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
            assert found is not None
            yield Judge(f"http://{found[0]}")
        finally:
            process.terminate()


def rules_of(cluster: Cluster, user: str, namespace: str) -> Rights:
    """Every right of a user in a namespace, beyond those that the cluster gives everybody, or every ServiceAccount."""
    is_account = user.startswith("system:serviceaccount:")
    nobody = f"{'system:serviceaccount:default:' if is_account else ''}nobody-in-particular"
    return _rules(cluster, user, namespace) - _rules(cluster, nobody, namespace)


def _rules(cluster: Cluster, user: str, namespace: str) -> Rights:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    said = cluster.kubectl("create", "--raw", path, "-f", "-", f"--as={user}", stdin=json.dumps(review)).out
    status = json.loads(said)["status"]
    assert not status.get("evaluationError"), status
    of_resources = (
        f"{verb} {_joined(resource, group)}{f'#{name}' if name else ''}"
        for rule in status["resourceRules"]
        for verb in rule["verbs"]
        for resource in rule.get("resources") or [""]
        for group in rule.get("apiGroups") or [""]
        for name in rule.get("resourceNames") or [""]
    )
    of_urls = (
        f"{verb} {url}"
        for rule in status["nonResourceRules"]
        for verb in rule["verbs"]
        for url in rule["nonResourceURLs"]
    )
    return frozenset((*of_resources, *of_urls))


def _joined(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource


def rbac_of(*folders: str, of: str) -> list[dict[str, Any]]:
    """The accounts, roles and bindings of overlays, under names and in a namespace of their own.

    Args:
        folders: Of config/.
        of: Namespace, and prefix of what is of the cluster, so that several installations stand side by side.
    """
    objects = [one for folder in folders for one in yaml.safe_load_all(kustomized(CONFIG / folder)) if one]
    return [_moved(one, of) for one in objects if one["kind"] in RBAC]


def _moved(one: dict[str, Any], of: str) -> dict[str, Any]:
    metadata = {**one["metadata"], "name": f"{of}-{one['metadata']['name']}"}
    metadata.pop("labels", None)  # by which roles join those of the cluster
    if one["kind"] == "ServiceAccount":
        metadata["name"] = one["metadata"]["name"]
    if "namespace" in metadata:
        metadata["namespace"] = of
    moved = {**one, "metadata": metadata}
    if "roleRef" in one:
        moved["roleRef"] = {**one["roleRef"], "name": f"{of}-{one['roleRef']['name']}"}
        moved["subjects"] = [{**subject, "namespace": of} for subject in one["subjects"]]
    return moved
