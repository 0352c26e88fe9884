"""The image that was built from the Dockerfile: both variants on the node, and what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.image import archive as archives_of_images
from hack.image import build as image
from hack.image.build import Wanted
from hack.image.variants import SBOMS, VARIANTS, name_of
from test.cluster.installation import DEPLOYMENT, Installation
from test.e2e.cluster import Namespace
from test.e2e.manifests import a_task, an_agent
from test.e2e.model import Script

FRESH_BUILD_SECONDS = 1500
"""On a busy machine; it takes some three minutes on two idle cores."""

ORPHAN = '(sleep 0.2 & echo $!) | { read pid; until [ ! -e "/proc/$pid" ]; do sleep 0.1; done; echo reaped; }'

INSTALLED = "from importlib.metadata import distributions as d; print(*sorted({one.name.lower() for one in d()}))"

OF_NPM = """
mkdir -p /tmp/npm/hello && cd /tmp/npm/hello
echo '{"name": "hello", "version": "1.0.0", "bin": "hello.js"}' >package.json
printf '#!/usr/bin/env node\\nconsole.log("hello of npm")\\n' >hello.js && chmod +x hello.js
npx --offline --yes /tmp/npm/hello
"""

OF_UV = """
mkdir -p /tmp/uv/src/hello && cd /tmp/uv
printf '[project]\\nname = "hello"\\nversion = "1.0.0"\\n[project.scripts]\\nhello = "hello:main"\\n' >pyproject.toml
printf '[build-system]\\nrequires = ["uv_build"]\\nbuild-backend = "uv_build"\\n' >>pyproject.toml
printf 'def main():\\n    print("hello of uv")\\n' >src/hello/__init__.py
uvx --offline --from /tmp/uv hello
"""


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request: pytest.FixtureRequest, installation: Installation) -> Iterator[str]:
    """The manager runs in that variant, in a namespace that enforces the restricted Pod Security Standard."""
    enforced = "pod-security.kubernetes.io/enforce"
    installation.cluster.kubectl("label", "namespace", "kubechain-system", f"{enforced}=restricted", "--overwrite")
    installation.set_image(name_of(request.param))
    yield request.param
    installation.set_image(name_of(VARIANTS[0]))
    installation.cluster.kubectl("label", "namespace", "kubechain-system", f"{enforced}-")


def in_the_pod(installation: Installation, command: str) -> str:
    return installation.kubectl("exec", DEPLOYMENT, "--", "timeout", "60", "sh", "-c", command).out.strip()


def test_a_run_succeeds(variant: str, installation: Installation, namespace: Namespace, script: Script) -> None:
    [pod] = installation.pods()
    assert pod["spec"]["containers"][0]["image"] == name_of(variant)
    script.answers = ["Done."]
    namespace.apply(an_agent(), a_task())
    assert namespace.finished("hello-world-task-1")["status"]["output"] == "Done."


@pytest.mark.usefixtures("variant")
def test_the_first_process_reaps_what_others_leave_behind(installation: Installation) -> None:
    assert in_the_pod(installation, "cat /proc/1/comm") == "tini"
    assert in_the_pod(installation, ORPHAN) == "reaped"


@pytest.mark.usefixtures("variant")
def test_it_runs_as_nobody_and_writes_nowhere_but_in_its_volume(installation: Installation) -> None:
    assert in_the_pod(installation, "id -u; id -g").split() == ["65532", "65532"]
    assert in_the_pod(installation, "touch /opt/x || touch /tmp/x && ls /tmp/x") == "/tmp/x"


@pytest.mark.usefixtures("variant")
def test_its_sbom_lists_what_is_installed(installation: Installation) -> None:
    listed = json.loads(in_the_pod(installation, f"cat /{SBOMS['slim'][0]}"))
    assert listed["bomFormat"] == "CycloneDX"
    installed = in_the_pod(installation, f"/opt/kubechain/bin/python -c '{INSTALLED}'").split()
    assert sorted(component["name"].lower() for component in listed["components"]) == installed


@pytest.mark.parametrize("given", [(OF_NPM, "hello of npm"), (OF_UV, "hello of uv")], ids=["npx", "uvx"])
def test_only_the_variant_with_tools_starts_programs_of_other_registries(
    variant: str, installation: Installation, given: tuple[str, str]
) -> None:
    command, words = given
    if variant == "tools":
        assert in_the_pod(installation, command).endswith(words)
    else:
        assert in_the_pod(installation, "command -v uvx npx || echo none") == "none"


@pytest.mark.timeout(FRESH_BUILD_SECONDS)
def test_a_build_from_nothing_has_the_layers_of_one_that_took_what_was_there(archive: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.tar"
    image.build(Wanted(VARIANTS[0], name_of(VARIANTS[0]), again, is_fresh=True))
    first, second = map(archives_of_images.read, (archive, again))
    assert first.digests() == second.digests()
