"""What the wheels hold: production is installed without the API server."""

from __future__ import annotations

import subprocess
import sys
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]


def built(project: Path, folder: Path) -> ZipFile:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    [wheel] = folder.glob("*.whl")
    return ZipFile(wheel)


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    return built(ROOT, tmp_path_factory.mktemp("production"))


@pytest.fixture(scope="module")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    return built(ROOT / "packages" / "apiserver", tmp_path_factory.mktemp("apiserver"))


def packages_of(wheel: ZipFile) -> set[str]:
    return {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" not in name}


def requirements_of(wheel: ZipFile) -> list[str]:
    [metadata] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(metadata).decode()).get_all("Requires-Dist") or []


def test_the_production_wheel_has_no_module_of_the_api_server(production: ZipFile) -> None:
    assert packages_of(production) == {"kubechain"}
    assert [name for name in production.namelist() if "apiserver" in name] == []


def test_only_the_extra_for_the_dev_server_requires_the_api_server(production: ZipFile) -> None:
    named = [each for each in requirements_of(production) if "apiserver" in each]
    assert named == ["kubechain-apiserver; extra == 'dev-server'"]


@pytest.mark.parametrize("data", ["openapi/builtin.json", "openapi/parameters.json", "wire/protobuf_messages.json"])
def test_the_wheel_of_the_api_server_holds_its_data_files(data: str, apiserver: ZipFile) -> None:
    assert packages_of(apiserver) == {"kubechain_apiserver"}
    assert f"kubechain_apiserver/{data}" in apiserver.namelist()


def test_the_image_is_built_from_the_sources_of_the_production_wheel() -> None:
    copied = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("COPY")]
    kept = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert not [line for line in [*copied, *kept] if "packages" in line.replace("packages/mcp-bridge", "")]
