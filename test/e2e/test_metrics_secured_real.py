"""Metrics for those only whom the cluster permits them: real tokens, reviewed by kube-apiserver with RBAC."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from test.e2e import processes
from test.e2e.cluster import Cluster
from test.e2e.rights import rbac_of
from test.e2e.test_release_real import kubeconfig_of

pytestmark = pytest.mark.real

SPACE = "secured"


@pytest.fixture(scope="module")
def url(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Metrics of a manager with the rights that they take, and accounts that read them."""
    cluster.kubectl("create", "namespace", SPACE)
    items = rbac_of("default", "metrics-secured/rbac", of=SPACE)
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    for account in ("prometheus", "somebody"):
        cluster.kubectl("-n", SPACE, "create", "serviceaccount", account)
    reader = f"--clusterrole={SPACE}-kubechain-metrics-reader"
    cluster.kubectl("create", "clusterrolebinding", SPACE, reader, f"--serviceaccount={SPACE}:prometheus")
    folder, port = tmp_path_factory.mktemp("secured"), processes.free_port()
    program = processes.manager(
        kubeconfig_of(cluster, "kubechain-manager", folder, SPACE),
        folder / "manager.log",
        "--metrics-secure",
        f"--metrics-bind-address=127.0.0.1:{port}",
        f"--namespaces={SPACE}",
    )
    program.start()
    yield f"https://127.0.0.1:{port}/metrics"
    assert program.stop() == 0, program.tail()


def asked(url: str, token: str | None) -> tuple[int, str]:
    """Status and text of the answer."""
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=30) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("account", "status"),
    [
        pytest.param(None, 401, id="without a token"),
        pytest.param("forged", 401, id="with a token that nobody signed"),
        pytest.param("somebody", 403, id="without the right"),
        pytest.param("prometheus", 200, id="with the right"),
    ],
)
def test_metrics_are_for_those_who_may_read_them(
    account: str | None, status: int, url: str, cluster: Cluster, tmp_path: Path
) -> None:
    token = account
    if account in ("somebody", "prometheus"):
        token = cluster.kubectl("-n", SPACE, "create", "token", account).out.strip()
    answer, text = asked(url, token)
    assert answer == status
    assert ("kubechain_" in text) is (status == 200)
