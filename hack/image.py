"""The image of the manager without a container builder: from an interpreter of this machine and the locked packages.

    python -m hack.image ARCHIVE     # an OCI archive; docker load, podman load and ctr images import read it

It has what the Dockerfile installs, at the same paths, with the same user, environment and entry point; in place of a
distribution it has the shared libraries that the interpreter and the packages need, and nothing else: no shell. It is
for tests on a machine without docker; what is published is built from the Dockerfile.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.images import Layer, write_archive

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")
NAME = "docker.io/library/kubechain:0.1.0"
"""As config/manager names it."""

HOME = "opt/kubechain"

PREFERRED = "3.13"
"""The Python of the Dockerfile, where this machine has it; otherwise the one that runs this program."""

LEFT_OUT = {"__pycache__", "config", "ensurepip", "idlelib", "site-packages", "test", "tkinter", "turtledemo"}
"""What the manager does not need of the standard library."""

AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")

COMMAND = f"#!/{HOME}/bin/python3\nimport sys\nfrom kubechain.cli import main\nsys.exit(main())\n"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of this machine.

    Attributes:
        version: Such as 3.13.
        prefix: Where it is installed.
    """

    version: str
    prefix: Path

    @property
    def program(self) -> Path:
        """The executable."""
        return self.prefix / "bin" / f"python{self.version}"

    @property
    def library(self) -> Path:
        """The standard library."""
        return self.prefix / "lib" / f"python{self.version}"


def interpreter() -> Interpreter:
    """Return the Python that goes into the image."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for program in (*sorted(pyenv.glob(f"versions/{PREFERRED}.*/bin/python{PREFERRED}")), Path(sys.executable)):
        asked = "import sys; print('%d.%d' % sys.version_info[:2], sys.base_prefix)"
        done = subprocess.run([program, "-c", asked], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            version, _, prefix = done.stdout.strip().partition(" ")
            return Interpreter(version, Path(prefix))
    raise SystemExit("image: no Python can be run")


def build(archive: Path, name: str) -> None:
    """Write the image of the manager as an OCI archive.

    Args:
        archive: Path of the result.
        name: Of the image, with its tag.

    Raises:
        subprocess.CalledProcessError: The packages cannot be installed; uv says why on standard error.
    """
    python = interpreter()
    with tempfile.TemporaryDirectory(prefix="image-") as temporary:
        staged = Path(temporary) / "kubechain"
        packages = _stage(python, staged)
        layer = Layer(Path(temporary) / "layer.tar")
        layer.tree(staged, HOME)
        for library in sorted(_libraries([python.program, *staged.rglob("*.so*")])):
            layer.file(Path(library).resolve(), library.lstrip("/"))
        layer.file(AUTHORITIES, str(AUTHORITIES).lstrip("/"))
        layer.text("etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\nkubechain:x:65532:65532::/tmp:/sbin/nologin\n")
        layer.text("etc/group", "root:x:0:\nkubechain:x:65532:\n")
        layer.close()
        write_archive(archive, name, layer.path, _config())
    print(f"image: {name}, Python {python.version}, {packages} packages: {archive}", file=sys.stderr)


def _stage(python: Interpreter, staged: Path) -> int:
    """Lay out interpreter and packages as the image has them, and return how many packages that is."""
    library = staged / "lib" / python.library.name
    shutil.copytree(python.library, library, ignore=lambda _, names: LEFT_OUT.intersection(names))
    (staged / "bin").mkdir()
    shutil.copy2(python.program, staged / "bin" / "python3")
    for shared in python.prefix.glob("lib/libpython*.so*"):
        shutil.copy2(shared, staged / "lib")
    packages = library / "site-packages"
    install = [
        UV,
        "pip",
        "install",
        "--quiet",
        f"--python={python.program}",
        f"--target={packages}",
        "--link-mode=copy",
    ]
    locked = [f"--constraints={ROOT}/constraints.txt", f"--build-constraints={ROOT}/constraints.txt"]
    subprocess.run([*install, *locked, ROOT, "uv"], check=True)
    shutil.rmtree(packages / "bin")
    (staged / "bin" / "kubechain").write_text(COMMAND)
    (staged / "bin" / "kubechain").chmod(0o755)
    _build_bridge(staged / "bin" / "kubechain-mcp-bridge")
    # By content, not by time: the root is read-only, and the times of files are not kept.
    compiled = ["-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "-s", staged, "-p", f"/{HOME}", library]
    subprocess.run([python.program, *compiled], check=False, stdout=subprocess.DEVNULL)
    return len(list(packages.glob("*.dist-info")))


def _build_bridge(target: Path) -> None:
    """Build what an MCP server in a Pod of its own is reached through, as the Dockerfile does."""
    command = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(target), "."]
    subprocess.run(command, cwd=ROOT / "packages" / "mcp-bridge", env=os.environ | {"CGO_ENABLED": "0"}, check=True)


def _libraries(files: list[Path]) -> Iterator[str]:
    """Yield the paths of the shared libraries of this machine that some files need, and of the loader."""
    found: set[str] = set()
    for file in files:
        said = subprocess.run(["ldd", file], capture_output=True, text=True, check=False).stdout
        found.update(re.findall(r"(?:=> )?(/\S+) \(0x", said))
    for path in found:
        if not path.startswith(tempfile.gettempdir()):
            yield path


def _config() -> dict[str, object]:
    return {
        "Entrypoint": ["kubechain"],
        "Cmd": ["manager"],
        "User": "65532:65532",
        "WorkingDir": "/tmp",
        "Env": [
            f"PATH=/{HOME}/bin:/usr/bin:/bin",
            "PYTHONUNBUFFERED=1",
            "PYTHONDONTWRITEBYTECODE=1",
            "HOME=/tmp",
            "UV_CACHE_DIR=/tmp/uv-cache",
        ],
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m hack.image", description="The image of the manager.")
    parser.add_argument("archive", type=Path)
    parser.add_argument("--name", default=NAME, help="default: %(default)s")
    options = parser.parse_args()
    build(options.archive, options.name)


if __name__ == "__main__":
    main()
