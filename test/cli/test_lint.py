"""What `kubechain lint` finds: all that the API server refuses, and what is wrong between manifests."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubechain.cli import main
from kubechain.cli.documents import Document, read
from kubechain.cli.lint import findings
from test.e2e.manifests import a_builtin, a_secret, a_task, a_tool, an_agent, an_llm
from test.e2e.test_bad_input import NOWHERE, WRONG
from test.e2e.test_schemas import ACCEPTED, REFUSED, SAMPLES, changed, sample

REPEATED = "described more than once"

WORDED = {
    "a field of the wrong type": "spec.system: must be of type string, and is of type integer",
    "an agent with a limit of zero turns": "spec.limits.maxTurns: Invalid value: 0: should be greater than or equal",
    "a Slack channel by its name": 'spec.slack.channelOrUserID: Invalid value: "#on-call": should match ',
}
"""What is said in other words than those of an API server."""


@pytest.fixture(scope="module")
def complaints() -> dict[str, list[str]]:
    """What is said against each wrong manifest, by what is wrong with it."""
    wrong = {name: changed(sample(base), changes) for name, (base, changes, _) in REFUSED.items()}
    return said(wrong)


def said(manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """The errors of each."""
    found = asyncio.run(findings([Document(name, manifest) for name, manifest in manifests.items()]))
    return {
        name: [
            each.message for each in found if each.where == name and not each.is_warning and each.message != REPEATED
        ]
        for name in manifests
    }


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_server_refuses_is_found(name: str, complaints: dict[str, list[str]]) -> None:
    expected = WORDED.get(name, REFUSED[name][2])
    assert [each for each in complaints[name] if expected in each], complaints[name]


@pytest.mark.parametrize(("manifest", "expected"), WRONG)
def test_what_a_person_gets_wrong_is_found(manifest: Mapping[str, Any], expected: list[str]) -> None:
    [complaint] = said({"x": manifest})["x"]
    for part in expected:
        assert part in complaint


NO_ARGUMENT_FITS: dict[str, Any] = {
    "type": "object",
    "properties": {},
    "required": ["city"],
    "additionalProperties": False,
}

WEATHER = {"url": "https://example.com", "credentialsFrom": {"name": "weather", "key": "TOKEN"}}

ACCEPTED_AND_UNUSABLE = [
    pytest.param(
        [a_secret(OTHER="x"), an_llm(base_url=NOWHERE)],
        'spec.apiKeyFrom.secretKeyRef: Secret "openai" has no key "OPENAI_API_KEY" (its keys are: OTHER)',
        id="a key that the Secret does not have",
    ),
    pytest.param(
        [a_secret("weather", KEY="x"), a_tool("weather", toolType="externalAPI", execute={"externalAPI": WEATHER})],
        'spec.execute.externalAPI.credentialsFrom: Secret "weather" has no key "TOKEN"',
        id="a key of a tool that the Secret does not have",
    ),
    pytest.param([an_agent(llm="not-there")], 'spec.llmRef: LLM "not-there" is not among', id="an LLM that is not"),
    pytest.param([a_task(agent="not-there")], 'spec.agentRef: Agent "not-there" is not', id="an Agent that is not"),
    pytest.param(
        [an_agent(tools=[{"name": "gone"}])], 'spec.tools: Tool "gone" is not among these', id="a Tool that is not"
    ),
    pytest.param(
        [a_builtin("add", parameters=NO_ARGUMENT_FITS)],
        'spec.parameters: "city" is required, and it is not among the properties',
        id="parameters that no call satisfies",
    ),
    pytest.param(
        [a_builtin("add", parameters={"type": "objekt"})],
        "spec.parameters: not a JSON schema",
        id="parameters that are no schema",
    ),
]


@pytest.mark.parametrize(("manifests", "expected"), ACCEPTED_AND_UNUSABLE)
def test_what_the_server_accepts_and_the_manager_cannot_use_is_found(
    manifests: list[Mapping[str, Any]], expected: str
) -> None:
    found = asyncio.run(findings([Document(str(index), each) for index, each in enumerate(manifests)]))
    assert [each for each in found if expected in each.message], found


MISSPELLED = [
    pytest.param({"systm": "x"}, 'unknown field "spec.systm" (did you mean "system"?)', id="a letter that is missing"),
    pytest.param(
        {"systemPrompt": "x"}, 'unknown field "spec.systemPrompt" (did you mean "system"?)', id="a longer name"
    ),
    pytest.param(
        {"llmref": {"name": "x"}}, 'unknown field "spec.llmref" (did you mean "llmRef"?)', id="letters of another case"
    ),
    pytest.param(
        {"limits": {"maxTurn": 3}}, 'unknown field "spec.limits.maxTurn" (did you mean "maxTurns"?)', id="a field below"
    ),
    pytest.param({"tools": [{"nam": "x"}]}, 'unknown field "spec.tools[0].nam" (did you mean "name"?)', id="in a list"),
    pytest.param({"zebra": 1}, 'unknown field "spec.zebra"', id="nothing that is close"),
]


@pytest.mark.parametrize(("more", "expected"), MISSPELLED)
def test_a_field_that_is_misspelled_is_named_with_the_one_that_was_meant(more: dict[str, Any], expected: str) -> None:
    assert expected in said({"x": an_agent(**more)})["x"]


def test_the_other_mistakes_of_a_manifest_with_a_misspelled_field_are_found_too() -> None:
    manifest: dict[str, Any] = changed(an_agent(sytem="x"), {"spec.llmRef": "gpt-4o"})
    assert said({"x": manifest})["x"] == [
        'unknown field "spec.sytem" (did you mean "system"?)',
        "spec.llmRef: must be of type object, and is of type string",
    ]


def test_the_wrong_manifests_are_all_there() -> None:
    assert len(REFUSED) + len(WRONG) + len(ACCEPTED_AND_UNUSABLE) >= 54


DOCS = [*sorted((SAMPLES.parents[1] / "docs").rglob("*.md")), SAMPLES.parents[1] / "README.md"]


def manifests_of(page: Path) -> list[Document]:
    """What the blocks of a page describe; a block may also show a part of an object."""
    found: list[Document] = []
    for text in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        objects: Iterable[Any] = yaml.safe_load_all(text)
        found += [Document(page.name, each) for each in objects if isinstance(each, dict) and "kind" in each]  # pyright: ignore[reportUnknownArgumentType]
    return found


def test_every_manifest_of_the_documentation_is_accepted() -> None:
    blocks = [each for page in DOCS for each in manifests_of(page)]
    assert len(blocks) > 20
    found = asyncio.run(findings(blocks))
    assert [each for each in found if not each.is_warning and each.message != REPEATED] == []


def test_what_the_server_accepts_is_accepted() -> None:
    right = {name: changed(sample(base), changes) for name, (base, changes) in ACCEPTED.items()}
    assert {name for name, errors in said(right).items() if errors} == set()


def test_every_sample_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(path) for path in sorted(SAMPLES.glob("[!k]*.yaml"))]
    assert main(["lint", *files]) in (0, 1)
    wrong = [line for line in capsys.readouterr().out.splitlines() if ": error: " in line]
    assert [line for line in wrong if not line.endswith(REPEATED)] == []


def write(folder: Path, *manifests: Mapping[str, Any]) -> str:
    (folder / "all.yaml").write_text(yaml.safe_dump_all(manifests))
    return str(folder)


def test_an_agent_without_its_llm_is_a_warning_that_strict_makes_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path, sample("agent"))
    assert main(["lint", folder]) == 0
    said = capsys.readouterr()
    assert f'{folder}/all.yaml:1: warning: agent/my-assistant: spec.llmRef: LLM "gpt-4o" is not among these' in said.out
    assert said.err == "1 object, 0 errors, 1 warning\n"
    assert main(["lint", "--strict", folder]) == 1
    assert main(["lint", "--strict", write(tmp_path, sample("agent"), sample("llm"))]) == 0


def test_an_object_is_described_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "-o", "json", write(tmp_path, sample("llm"), sample("llm"))]) == 1
    assert [each["message"] for each in json.loads(capsys.readouterr().out)] == [REPEATED] * 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: [", "not YAML: ", id="no YAML"),
        pytest.param("- a\n", "not an object", id="a list"),
        pytest.param(
            "apiVersion: kubechain.humanlayer.dev/v1alpha1\nkind: Cow\n", 'there is no kind "Cow"', id="no kind of ours"
        ),
        pytest.param(
            "apiVersion: kubechain.humanlayer.dev/v1alpha1\nkind: LLM\n", "metadata: Required value", id="no metadata"
        ),
    ],
)
def test_what_is_no_manifest_is_named(
    text: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.yaml").write_text(text)
    assert main(["lint", str(tmp_path)]) == 1
    assert expected in capsys.readouterr().out


def test_a_file_that_is_not_there_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "/nowhere.yaml"]) == 2
    assert "/nowhere.yaml" in capsys.readouterr().err


def test_lists_and_other_kinds_are_read(tmp_path: Path) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "openai"}}
    (tmp_path / "x.json").write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": [secret, sample("llm")]}))
    documents = list(read([tmp_path]))
    assert [document.manifest["kind"] for document in documents if document.manifest] == ["Secret", "LLM"]
    assert asyncio.run(findings(documents)) == []
