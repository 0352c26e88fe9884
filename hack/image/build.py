"""Builds a variant of the image, with docker or with buildah, the same way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.images import architecture
from hack.image import bases, buildah
from hack.image.buildah import Buildah
from hack.image.variants import ROOT

EPOCH = 1764547200
"""As the Dockerfile has it: the first of December 2025."""


class ImageError(Exception):
    """Raised when the image cannot be built on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to build.

    Attributes:
        variant: One of `VARIANTS`.
        name: Of the image, with its tag.
        archive: Path of the result; its folder is made.
        is_fresh: Whether nothing of an earlier build is taken.
    """

    variant: str
    name: str
    archive: Path
    is_fresh: bool = False


def why_not() -> str:
    """Return why no image can be built here; empty where one can."""
    return "" if has_docker() else buildah.why_not()


def build(wanted: Wanted) -> None:
    """Build it.

    Raises:
        ImageError: There is no builder.
        subprocess.CalledProcessError: The build failed; standard error says why.
    """
    if reason := why_not():
        raise ImageError(f"the image cannot be built here: {reason}")
    wanted.archive.parent.mkdir(parents=True, exist_ok=True)
    wanted.archive.unlink(missing_ok=True)
    with _secrets() as secrets:
        arguments = [*secrets, f"--build-arg=SOURCE_DATE_EPOCH={epoch()}", "--target", wanted.variant]
        if wanted.is_fresh:
            arguments.append("--no-cache")
        (_with_docker if has_docker() else _with_buildah)(wanted, arguments)


def epoch() -> int:
    """The time that every file of the image gets: always the same, so that a layer changes only with its content."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or EPOCH)


def has_docker() -> bool:
    """Whether docker's daemon answers."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def _with_docker(wanted: Wanted, arguments: list[str]) -> None:
    output = f"--output=type=docker,dest={wanted.archive},rewrite-timestamp=true"
    command = ["docker", "buildx", "build", *arguments, f"--tag={wanted.name}", output, str(ROOT)]
    subprocess.run(command, stdout=sys.stderr, check=True)


def _with_buildah(wanted: Wanted, arguments: list[str]) -> None:
    tool = Buildah(buildah.cache())
    base = bases.base(tool)
    go = subprocess.run(["go", "env", "GOROOT"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    bud = ["bud", "--layers", f"--timestamp={epoch()}", f"--volume={go}:/usr/local/go:ro", *arguments]
    bud += [f"--build-arg={name}={base}" for name in ("PYTHON_IMAGE", "GO_IMAGE")]
    bud += [f"--build-arg=TARGETARCH={architecture()}"]  # docker says it by itself
    print(tool.run(*bud, f"--tag={wanted.name}", str(ROOT)), file=sys.stderr)
    tool.run("push", "--quiet", wanted.name, f"oci-archive:{wanted.archive}:{wanted.name}")


@contextmanager
def _secrets() -> Generator[list[str]]:
    """Arguments that hand this machine's package index and authorities to pip, without a trace in the image."""
    index, authorities = os.environ.get("PIP_INDEX_URL", ""), os.environ.get("PIP_CERT", "")
    lines = ["[global]", *([f"index-url = {index}"] if index else [])]
    with tempfile.TemporaryDirectory(prefix="image-") as folder:
        arguments: list[str] = []
        if authorities:
            lines.append("cert = /run/secrets/ca.crt")
            arguments.append(f"--secret=id=ca.crt,src={authorities}")
        config = Path(folder) / "pip.conf"
        config.write_text("\n".join([*lines, ""]))
        if len(lines) > 1:
            arguments.append(f"--secret=id=pip.conf,src={config}")
        yield arguments
