"""A real Kubernetes API server without a cluster: etcd, kube-apiserver and kube-controller-manager as plain processes.

For the end-to-end tests, and for trying things out from the command line:

    python -m test.e2e.controlplane up

There is no kubelet and no scheduler: a Pod is stored and never runs. Of the controllers only garbage collection by
owner reference and namespace deletion run, because kube-apiserver does neither itself. What the project itself does
must not go here; this module knows nothing about the project's kinds.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

BUILD_SCRIPT = Path(__file__).resolve().parents[2] / "hack" / "controlplane" / "build.sh"

START_SECONDS = 90.0
"""Limit for each wait at the start. It takes about eight seconds on two idle cores; a busy CI machine needs room."""

STOP_SECONDS = 5.0
"""Limit for a polite end of one process, after which it is killed. Nothing of value is lost: the data are temporary."""

POLL_SECONDS = 0.1
"""Pause between two questions whether a server is ready. None of the three says so on its own."""

TAIL_LINES = 25
"""How much of a log an error quotes: enough for the usage line or the panic that ended the process."""

CONTROLLERS = ("garbage-collector-controller", "namespace-controller")
"""What tests need of kube-controller-manager: the rest would cost memory and races for nothing."""


class StartError(RuntimeError):
    """Raised when the control plane cannot be built, ended by itself or is not ready in time; quotes the log."""


@dataclass(frozen=True, slots=True)
class _Process:
    """One server that we started, and where it logs."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def stop(self) -> None:
        """End the process, politely first, and reap it."""
        self.popen.terminate()
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        if self.popen.stdin is not None:
            self.popen.stdin.close()


def build() -> Path:
    """Build the programs unless that was done before, and return the folder that holds them.

    The first build compiles for some minutes; its progress goes to standard error.

    Raises:
        StartError: The build failed.
    """
    done = subprocess.run([BUILD_SCRIPT], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise StartError(f"build of the control plane failed: exit status {done.returncode}")
    return Path(done.stdout.splitlines()[-1])


class RealControlPlane:
    """A control plane of one's own, gone with all its data at `stop`.

    As a context manager it is started on entry and stopped on exit.

    Attributes:
        folder: Holds the logs, keys and the kubeconfig, which stay after `stop` for reading.
        kubeconfig: Path of a kubeconfig for a cluster administrator, written by `start`.
        token: The administrator's bearer token, in group system:masters.
        url: Where kube-apiserver serves, such as `https://127.0.0.1:41234`; empty before `start`.
    """

    def __init__(self, folder: Path, *, programs: Path | None = None) -> None:
        """Prepare; nothing is written or started yet.

        Args:
            folder: Created when missing. Two control planes must not share one.
            programs: Folder with `etcd` and `kube-apiserver`; None means what `build` returns.
        """
        self.folder = folder.resolve()
        self.kubeconfig = self.folder / "kubeconfig"
        self.token = secrets.token_urlsafe(24)
        self.url = ""
        self._programs = programs
        self._processes: list[_Process] = []
        self._data: Path | None = None

    @property
    def certificate_authority(self) -> Path:
        """PEM file to verify the server by: kube-apiserver puts its own authority next to its certificate."""
        return self.folder / "certificates" / "apiserver.crt"

    @property
    def programs(self) -> Path:
        """Folder of the programs, built on first use.

        Raises:
            StartError: The build failed.
        """
        if self._programs is None:
            self._programs = build()
        return self._programs

    @property
    def has_controllers(self) -> bool:
        """Whether owner references and namespace deletion work: binaries from elsewhere often lack that program."""
        return (self.programs / "kube-controller-manager").exists()

    def start(self) -> Self:
        """Start everything and return when requests are served and the `default` namespace exists.

        Raises:
            StartError: A program is missing, ended, or is not ready in time. Whatever was started has been stopped.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the processes, the last one started first, and drop the data. May be called at any time, and again."""
        while self._processes:
            self._processes.pop().stop()
        if self._data is not None:
            shutil.rmtree(self._data, ignore_errors=True)
            self._data = None

    def check(self) -> None:
        """Make sure that everything started still runs.

        Raises:
            StartError: A process has ended.
        """
        for process in self._processes:
            status = process.popen.poll()
            if status is not None:
                raise StartError(f"{process.name} ended with status {status}: {process.log}\n{process.tail()}")

    def rediscover(self) -> None:
        """Make the garbage collector see new custom resources at once; a no-op without controllers.

        It looks for new kinds every 30 seconds, a constant in its source that no flag changes, and does not collect
        what belongs to a kind it has not seen. Starting it anew is the quick way; call this after creating CRDs.

        Raises:
            StartError: It did not come up again.
        """
        for process in [p for p in self._processes if p.name == "kube-controller-manager"]:
            self._processes.remove(process)
            process.stop()
            self._start_controllers()

    def kubectl_env(self) -> dict[str, str]:
        """The environment in which `kubectl` is the matching one, where it was built, and talks to this server."""
        path = os.pathsep.join([str(self.programs), os.environ.get("PATH", os.defpath)])
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate_authority.unlink(missing_ok=True)  # one of an earlier start must not be taken for ours
        client_port, peer_port, secure_port = _free_ports(3)
        self.url = f"https://127.0.0.1:{secure_port}"
        self._start_etcd(client_port, peer_port)
        self._start_apiserver(f"http://127.0.0.1:{client_port}", secure_port)
        self._wait_for(f"{self.url}/readyz")
        self._wait_for(f"{self.url}/api/v1/namespaces/default")
        _write_secret(self.kubeconfig, self._kubeconfig_text())
        if self.has_controllers:
            self._start_controllers()

    def _start_etcd(self, client_port: int, peer_port: int) -> None:
        self._data = Path(tempfile.mkdtemp(prefix="etcd-", dir=self.folder))
        client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
        self._run(
            "etcd",
            f"--data-dir={self._data}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )

    def _start_apiserver(self, etcd_url: str, secure_port: int) -> None:
        tokens = self.folder / "tokens.csv"
        _write_secret(tokens, f'{self.token},admin,admin,"system:masters"\n')
        key = self.folder / "service-accounts.key"
        _generate_key(key)
        self._run(
            "kube-apiserver",
            f"--etcd-servers={etcd_url}",
            "--bind-address=127.0.0.1",
            # Without it the address of the default route is looked up, and a machine without network has none.
            "--advertise-address=127.0.0.1",
            # No Endpoints for the server itself: loopback is not a valid address there, and nobody reads them.
            "--endpoint-reconciler-type=none",
            f"--secure-port={secure_port}",
            f"--cert-dir={self.certificate_authority.parent}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.0.0.0/24",
        )

    def _start_controllers(self) -> None:
        [port] = _free_ports(1)
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--controllers={','.join(CONTROLLERS)}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={self.folder / 'certificates-controllers'}",
            # The default of 20 requests a second would let the tests wait for the controllers, not for the server.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        )
        self._wait_for(
            f"https://127.0.0.1:{port}/healthz",
            self.folder / "certificates-controllers" / "kube-controller-manager.crt",
        )

    def _run(self, name: str, *arguments: str) -> None:
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            try:
                popen = subprocess.Popen(
                    [self.programs / name, *arguments],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # Our own build ends when its standard input does, so a killed test run leaves nothing behind.
                    env={**os.environ, "CONTROLPLANE_EXIT_WITH_STDIN": "1"},
                    # Ctrl-C is for us: we stop the servers, in order.
                    start_new_session=True,
                )
            except OSError as error:
                raise StartError(f'{name} cannot be run: "{self.programs / name}"') from error
        self._processes.append(_Process(name, popen, log))

    def _wait_for(self, url: str, certificate: Path | None = None) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url, certificate or self.certificate_authority, self.token):
            self.check()
            if time.monotonic() > deadline:
                newest = self._processes[-1]
                raise StartError(f"{url} not ready in {START_SECONDS:.0f} s: {newest.log}\n{newest.tail()}")
            time.sleep(POLL_SECONDS)

    def _kubeconfig_text(self) -> str:
        authority = base64.b64encode(self.certificate_authority.read_bytes()).decode()
        name = "controlplane"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "admin", "namespace": "default"}}],
            "current-context": name,
        }
        return json.dumps(config, indent=2)  # JSON is YAML


def _free_ports(count: int) -> list[int]:
    """Loopback ports nobody uses now, held together so that they differ. Another program may yet be quicker."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _answers(url: str, certificate: Path, token: str) -> bool:
    """Whether a GET succeeds; any failure counts as not yet, a certificate that is not written included."""
    try:
        trust = ssl.create_default_context(cafile=certificate)
        # No proxy: one that is set for the way out must not be asked for a loopback address.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        with opener.open(request, timeout=5.0):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except (OSError, http.client.HTTPException):
        return False


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def _generate_key(path: Path) -> None:
    """Write a private key that signs service-account tokens; kube-apiserver takes the public half from it."""
    _write_secret(path, "")
    command = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StartError(f"openssl failed: {done.stderr[-256:]}")


@contextlib.contextmanager
def _folder(given: Path | None) -> Generator[Path, None, None]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="controlplane-") as temporary:
        yield Path(temporary)


def _up(folder: Path | None) -> None:
    """Print the kubeconfig's path and stay until interrupted or a process ends."""
    with _folder(folder) as where, RealControlPlane(where) as plane:
        print(plane.kubeconfig, flush=True)
        print(f"serving at {plane.url}; Ctrl-C ends it", file=sys.stderr)
        while True:
            plane.check()
            time.sleep(1.0)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(description="A real Kubernetes API server without a cluster.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start, print the path of a kubeconfig, run until Ctrl-C")
    up.add_argument("--dir", type=Path, help="folder for logs and the kubeconfig (default: a temporary one)")
    options = parser.parse_args(arguments)
    for each in (signal.SIGINT, signal.SIGTERM):  # a shell's background job would ignore the first
        signal.signal(each, _interrupt)
    try:
        _up(options.dir)
    except KeyboardInterrupt:
        return 0
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
