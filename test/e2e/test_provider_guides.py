"""The commands of docs/guides/providers.md do what the page says, for each provider, on both API servers.

The person has the samples as they are, but for the address: each names a double on loopback.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from test.e2e import guides
from test.e2e.cluster import Cluster
from test.e2e.servers.providers import ANSWER, CLIENT_SECRET, DOUBLES, Providers
from test.e2e.servers.vertex import Vertex
from test.e2e.test_guides import CONFIG, ROOT, a_dev, assets, environment_of

__all__ = ["assets"]

PAGE = ROOT / "docs" / "guides" / "providers.md"

START, FINISH, TROUBLE = "A control plane", "An agent and a task", "When it is not Ready"


@dataclass(frozen=True, slots=True)
class Guide:
    """What a section of a provider needs.

    Attributes:
        sample: File of its LLM.
        path: Of its double, for `parameters.baseUrl`.
        called: Path below the double's that the one model call has.
    """

    sample: str
    path: str
    called: str = "/v1/chat/completions"


AZURE_CALL = BEDROCK_CALL = "/openai/v1/chat/completions"

GUIDES: Mapping[str, Guide] = {
    "OpenAI": Guide("llm.yaml", "openai/v1"),
    "A compatible server": Guide("llm_compatible.yaml", "compatible/v1"),
    "Anthropic": Guide("llm_anthropic.yaml", "anthropic", "/v1/messages"),
    "Google": Guide("llm_google.yaml", "google", "/v1beta/models/gemini-3-pro-preview:generateContent"),
    "Mistral": Guide("llm_mistral.yaml", "mistral/v1"),
    "Azure, by the key of a resource": Guide("llm_azure_key.yaml", "azure", AZURE_CALL),
    "Azure, by Entra": Guide("llm_azure_client.yaml", "entra", AZURE_CALL),
    "Amazon Bedrock": Guide("llm_bedrock.yaml", "bedrock", BEDROCK_CALL),
    "Ollama": Guide("llm_ollama.yaml", "ollama", "/api/chat"),
}

KEYS = {
    "OPENAI_API_KEY": "openai",
    "ANTHROPIC_API_KEY": "anthropic",
    "GEMINI_API_KEY": "google",
    "MISTRAL_API_KEY": "mistral",
    "AZURE_OPENAI_API_KEY": "azure",
    "AWS_BEARER_TOKEN_BEDROCK": "bedrock",
}
"""The variables of a person who has an account everywhere, and whose key each holds."""


@pytest.fixture(scope="module")
def providers() -> Iterator[Providers]:
    with Providers() as providers:
        yield providers


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has checked out the repository and follows the page.

    Attributes:
        folder: Where they are.
        environment: Of their shell.
    """

    folder: Path
    environment: Mapping[str, str]

    def enter(self, namespace: str) -> None:
        """Make a namespace, and let kubectl mean it."""
        kubeconfig = self.folder / "models" / "kubeconfig"
        cluster = Cluster(kubeconfig, {**self.environment, "KUBECONFIG": str(kubeconfig)}, is_real=False)
        cluster.kubectl("create", "namespace", namespace)
        cluster.kubectl("config", "set-context", "--current", f"--namespace={namespace}")

    def change_address(self, sample: str, base_url: str) -> None:
        """Let the LLM of a sample be called elsewhere."""
        file = self.folder / "config" / "samples" / sample
        llm = yaml.safe_load(file.read_text())
        llm["spec"].setdefault("parameters", {})["baseUrl"] = base_url
        file.write_text(yaml.safe_dump(llm))

    def follow(self, *titles: str) -> None:
        """Type the commands of sections, from the one that names the control plane on."""
        _, *prepare = guides.commands(guides.section(PAGE, START))
        typed = [command for title in titles for command in guides.commands(guides.section(PAGE, title))]
        with guides.Shell(self.folder, self.environment) as shell:
            for command in [*prepare, *typed]:
                shell.run(command)


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory, assets: dict[str, str], providers: Providers) -> Iterator[Person]:
    folder = tmp_path_factory.mktemp("person")
    shutil.copytree(CONFIG / "samples", folder / "config" / "samples")
    start, *_ = guides.commands(guides.section(PAGE, START))
    dev = a_dev(start.text, folder, assets, AZURE_AUTHORITY_HOST=providers.url)
    dev.start()
    keys = {name: DOUBLES[double].key.removeprefix("Bearer ") for name, double in KEYS.items()}
    yield Person(folder, environment_of(folder, AZURE_CLIENT_SECRET=CLIENT_SECRET, **keys))
    assert dev.stop() == 0, dev.tail()
    log = dev.log.read_text()
    assert '"level":"error"' not in log
    assert not [key for key in (*keys.values(), CLIENT_SECRET) if key in log]


@pytest.mark.parametrize("title", GUIDES)
@pytest.mark.timeout(180)
def test_a_person_goes_from_a_secret_to_an_answer(title: str, person: Person, providers: Providers) -> None:
    guide = GUIDES[title]
    person.enter(f"of-{guide.sample.partition('.')[0].replace('_', '-')}")
    person.change_address(guide.sample, f"{providers.url}/{guide.path}")
    providers.calls.clear()
    person.follow(title, FINISH)
    assert providers.calls == [f"/{guide.path.partition('/')[0]}{guide.called}"]


@pytest.mark.timeout(180)
def test_a_person_goes_from_a_service_account_to_an_answer(person: Person) -> None:
    with Vertex(text=ANSWER) as vertex:
        (person.folder / "key.json").write_text(vertex.new_key("key-1"))
        person.enter("of-llm-vertex")
        person.change_address("llm_vertex.yaml", f"{vertex.url}/v1")
        person.follow("Vertex AI", FINISH)
        assert vertex.used == ["key-1"]


@pytest.mark.timeout(180)
def test_a_person_sees_why_an_llm_is_not_ready_and_repairs_it(person: Person, providers: Providers) -> None:
    person.enter("trouble")
    person.change_address("llm.yaml", f"{providers.url}/openai/v1")
    person.follow(TROUBLE)


def test_each_section_of_the_page_is_run() -> None:
    assert {*guides.sections(PAGE)} == {*GUIDES, "Vertex AI", START, FINISH, TROUBLE}
