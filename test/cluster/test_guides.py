"""The commands of the guides for administrators that need Pods, typed on a node on which nothing of ours is installed.

The image comes from a registry that wants a password, under the name that the guide gives it; the node has no other.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from hack.cluster.node import Node
from hack.image.variants import VARIANTS, name_of
from test.charts.conftest import BUILD_SECONDS, judges
from test.charts.rendering import helm_homes
from test.cluster.conftest import AUTHORITY
from test.cluster.installation import SYSTEM_NAMESPACE, Installation
from test.cluster.registry import Account, Registry
from test.e2e import guides
from test.e2e.cluster import Cluster, Namespace
from test.e2e.guides import GUIDES, Checkout, Command
from test.e2e.manifests import a_secret, a_task, an_agent, an_llm
from test.e2e.model import MockModel
from test.e2e.test_guides import environment_of

__all__ = ["judges"]

pytestmark = pytest.mark.timeout(BUILD_SECONDS)

HOST = "registry.example.com"
IMAGE = f"{HOST}/tools/kubechain:0.1.0"
OF_THE_RELEASE, SLIM = (name_of(variant).removeprefix("docker.io/library/") for variant in VARIANTS)
LIMIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Administrator:
    """Somebody with a checkout of the repository, a cluster on which nothing of ours is installed, and a registry.

    Attributes:
        checkout: Where commands are typed.
        cluster: Reached as the administrator.
        registry: Has the image as the guide names it.
        model: What runs call.
    """

    checkout: Checkout
    cluster: Cluster
    registry: Registry
    model: MockModel

    @property
    def installation(self) -> Installation:
        return Installation(self.cluster)

    def type(self, page: str, title: str, *, having: str = "", **filled_in: str) -> None:
        """Type the commands of a section's blocks without output.

        Args:
            page: Of docs/guides.
            title: Of the section.
            having: Only those with that in them.
            filled_in: What stands for the words in capitals.
        """
        given = [one for one in guides.bare_commands(guides.section(GUIDES / page, title)) if having in one.text]
        assert given, f"{page}, {title}: no such command"
        self.checkout.type(Command(_filled(one.text, filled_in), one.printed) for one in given)

    def gives_the_password(self) -> None:
        """Make the Secret with which nodes pull."""
        account = self.registry.account
        assert account is not None
        self.type("install.md", "The image", having="create secret", NAME=account.name, TOKEN=account.password)

    def sees_that_it_works(self, namespace: Namespace) -> None:
        """Follow the section of that title, and again when a run has found its answer."""
        self.type("install.md", "Does it work")
        namespace.apply(a_secret(), an_llm(base_url=self.model.base_url), an_agent(), a_task())
        namespace.finished("hello-world-task-1", timeout_seconds=LIMIT_SECONDS)
        self.type("install.md", "Does it work")

    def new_namespace(self, name: str) -> Namespace:
        self.cluster.kubectl("create", "namespace", name)
        return Namespace(self.cluster, name)


def _filled(text: str, words: Mapping[str, str]) -> str:
    return re.sub(r"\b[A-Z]+\b", lambda found: words.get(found[0], found[0]), text)


@pytest.fixture
def administrator(
    request: pytest.FixtureRequest, programs: Path, archives: dict[str, Path], judges: Path, tmp_path: Path
) -> Iterator[Administrator]:
    """On a node that has the images named by the test's parameter, if it has one."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    guides.check_out(checkout)
    imported = [*archives.values()] if getattr(request, "param", None) == IMPORTED else []
    with Node(tmp_path / "node", programs=programs, authority=AUTHORITY, images=imported) as node:
        environment = environment_of(tmp_path, KUBECONFIG=str(node.kubeconfig))
        environment |= helm_homes(tmp_path)
        environment["PATH"] = f"{judges}{os.pathsep}{environment['PATH']}"
        served = {IMAGE.removeprefix(f"{HOST}/"): archives[VARIANTS[0]]}
        account = Account("puller", secrets.token_hex(8))
        with Registry(node.listening(), served, account=account) as registry, MockModel(node.listening()) as model:
            registry.is_known_to(node, HOST)
            cluster = Cluster(node.kubeconfig, environment, is_real=True)
            yield Administrator(Checkout(checkout, environment), cluster, registry, model)


IMPORTED = "imported"


@pytest.mark.parametrize("administrator", [IMPORTED], indirect=True)
def test_the_release_is_installed_upgraded_and_rolled_back_with_a_run_in_flight(administrator: Administrator) -> None:
    installation, space = administrator.installation, administrator.new_namespace("people")
    administrator.checkout.follow("install.md", "kubectl")
    installation.set_image(SLIM)  # what is upgraded
    administrator.sees_that_it_works(space)
    script = administrator.model["in-flight"]
    script.gate.clear()
    llm = an_llm("waits", base_url=administrator.model.base_url, model="in-flight")
    space.apply(llm, an_agent("waiting", llm="waits"), a_task("in-flight", agent="waiting"))
    script.wait_for_call()

    administrator.checkout.follow("upgrade.md", "In short")
    administrator.type("upgrade.md", "In short")
    installation.wait_until_ready()
    assert set(administrator.installation.images()) == {OF_THE_RELEASE}
    assert space.get("taskrun", "in-flight-1")["status"]["phase"] == "SendContextWindowToLLM"

    administrator.type("upgrade.md", "Roll back")
    installation.wait_until_ready()
    assert set(administrator.installation.images()) == {SLIM}
    script.gate.set()
    space.finished("in-flight-1")
    administrator.type("install.md", "Does it work")


def test_the_hardened_overlay_with_an_image_of_a_registry_of_ones_own(administrator: Administrator) -> None:
    administrator.checkout.follow("install.md", "Kustomize")
    administrator.gives_the_password()
    administrator.sees_that_it_works(administrator.new_namespace("people"))
    administrator.checkout.follow("install.md", "Does it work")
    assert set(administrator.installation.images()) == {IMAGE}
    assert len(administrator.installation.pods()) == 2
    assert administrator.registry.refused


@pytest.mark.parametrize("administrator", [IMPORTED], indirect=True)
def test_a_manager_of_its_own_namespace(administrator: Administrator) -> None:
    administrator.checkout.follow("install.md", "One namespace, or some")
    administrator.sees_that_it_works(Namespace(administrator.cluster, SYSTEM_NAMESPACE))


@pytest.mark.parametrize("administrator", [IMPORTED], indirect=True)
def test_a_manager_of_some_namespaces_by_helm(administrator: Administrator) -> None:
    spaces = [administrator.new_namespace(f"team-{one}") for one in "ab"]
    administrator.type("install.md", "One namespace, or some")
    for space in spaces:
        administrator.sees_that_it_works(space)


def test_the_hardened_values_of_helm_with_an_image_of_a_registry_of_ones_own(administrator: Administrator) -> None:
    administrator.type("install.md", "Helm", having="values-hardened")
    administrator.gives_the_password()
    administrator.sees_that_it_works(administrator.new_namespace("people"))
    administrator.checkout.follow("install.md", "Does it work")
    assert set(administrator.installation.images()) == {IMAGE}
    assert administrator.registry.refused
