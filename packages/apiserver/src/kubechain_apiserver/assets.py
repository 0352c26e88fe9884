"""kube-apiserver and etcd as a control plane: the programs of $KUBEBUILDER_ASSETS, as plain processes on loopback.

For where real semantics are wanted: `kubechain dev --control-plane=assets`, end-to-end tests, conformance. There is no
kubelet and no scheduler: a Pod is stored and never runs. Where the folder has a kube-controller-manager, it collects
garbage and ends namespaces, which kube-apiserver does not do itself.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kubechain_apiserver.http import kubeconfig as kubeconfig_file
from kubechain_apiserver.http.private_files import write_private

VARIABLE: Final = "KUBEBUILDER_ASSETS"
"""Names the folder of the programs, as for controller-runtime's envtest."""

REQUIRED: Final = ("etcd", "kube-apiserver")

START_SECONDS = 90.0
"""Limit for each wait at the start. It takes about eight seconds on two idle cores; a busy CI machine needs room."""

STOP_SECONDS = 5.0
"""Time limit for a process to end after SIGTERM, before SIGKILL. etcd and kube-apiserver lose no data by that."""

POLL_SECONDS = 0.1
"""Interval at which readiness is polled: none of the three programs reports it."""

TAIL_LINES = 25
"""How much of a log an error quotes: enough for the usage line or the panic that ended the process."""

CONTROLLERS = ("garbage-collector-controller", "job-controller", "namespace-controller", "serviceaccount-controller")
"""The controllers that clients of custom kinds and of Jobs need; no Pod is scheduled. The others would cost memory for
kinds that nobody makes."""


class StartError(RuntimeError):
    """Raised when the control plane cannot be started, ended by itself or is not ready in time; quotes the log."""


@dataclass(frozen=True, slots=True)
class _Process:
    """One process that was started, and its log file."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def stop(self) -> None:
        """Send SIGTERM, then SIGKILL after `STOP_SECONDS`, and reap the process."""
        self.popen.terminate()
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        if self.popen.stdin is not None:
            self.popen.stdin.close()


def programs_of(environment: Mapping[str, str]) -> Path:
    """Return the folder of the programs that $KUBEBUILDER_ASSETS names.

    Raises:
        StartError: The variable is not set, or a program is missing.
    """
    folder = environment.get(VARIABLE, "")
    if not folder:
        raise StartError(f"{VARIABLE} is not set: it names the folder with {' and '.join(REQUIRED)}")
    missing = [name for name in REQUIRED if not os.access(Path(folder) / name, os.X_OK)]
    if missing:
        raise StartError(f'{VARIABLE}: no program {" and no program ".join(missing)} in "{folder}"')
    return Path(folder).resolve()


class AssetsControlPlane:
    """A control plane of etcd, kube-apiserver and, if there is one, kube-controller-manager.

    As a context manager it is started on entry and stopped on exit.


    Attributes:
        folder: Holds the logs, keys and the data, and the kubeconfig unless it is elsewhere.
        kubeconfig: Path of a kubeconfig for a cluster administrator, written by `start`.
        programs: Folder with `etcd` and `kube-apiserver`.
        token: The administrator's bearer token, in group system:masters.
        url: Where kube-apiserver serves, such as `https://127.0.0.1:41234`; empty before `start`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        programs: Path,
        port: int = 0,
        kubeconfig: Path | None = None,
        keep_data: bool = False,
    ) -> None:
        """Prepare; nothing is written or started yet.

        Args:
            folder: Created when missing. Two control planes must not use one at the same time.
            programs: Folder with `etcd` and `kube-apiserver`.
            port: Of kube-apiserver; 0 takes a free one.
            kubeconfig: Where to write it; None means `kubeconfig` in the folder.
            keep_data: The next start in the folder finds the objects again; otherwise they are dropped at `stop`.
        """
        self.folder = folder.resolve()
        self.kubeconfig = kubeconfig or self.folder / "kubeconfig"
        self.programs = programs
        self.token = secrets.token_urlsafe(24)
        self.url = ""
        self._port = port
        self._keep_data = keep_data
        self._processes: list[_Process] = []
        self._dropped_at_stop: Path | None = None

    @property
    def certificate_authority(self) -> Path:
        """PEM file to verify the server with: kube-apiserver stores its own authority next to its certificate."""
        return self.folder / "certificates" / "apiserver.crt"

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
        """End the processes, the last one started first, and drop the data unless they are kept.

        May be called at any time, and again.
        """
        while self._processes:
            self._processes.pop().stop()
        if self._dropped_at_stop is not None:
            shutil.rmtree(self._dropped_at_stop, ignore_errors=True)
            self._dropped_at_stop = None

    def check(self) -> None:
        """Raise if a process has ended.

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
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # kube-apiserver makes both anew or none: with the key of an earlier start and no certificate it does not start,
        # and a certificate of an earlier start would be taken for that of this one.
        for file in (self.certificate_authority, self.certificate_authority.with_suffix(".key")):
            file.unlink(missing_ok=True)
        client_port, peer_port, free_port = _free_ports(3)
        secure_port = self._port or free_port
        self.url = f"https://127.0.0.1:{secure_port}"
        self._start_etcd(client_port, peer_port)
        self._start_apiserver(f"http://127.0.0.1:{client_port}", secure_port)
        self._wait_for(f"{self.url}/readyz")
        self._wait_for(f"{self.url}/api/v1/namespaces/default")
        authority = self.certificate_authority.read_bytes()
        kubeconfig_file.write(
            self.kubeconfig, kubeconfig_file.document(self.url, authority=authority, token=self.token)
        )
        if self.has_controllers:
            self._start_controllers()

    def _start_etcd(self, client_port: int, peer_port: int) -> None:
        if not self._keep_data:
            self._dropped_at_stop = Path(tempfile.mkdtemp(prefix="etcd-", dir=self.folder))
        data = self._dropped_at_stop or self.folder / "etcd"
        data.mkdir(exist_ok=True, mode=0o700)
        client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
        self._run(
            "etcd",
            f"--data-dir={data}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            *([] if self._keep_data else ["--unsafe-no-fsync"]),
        )

    def _start_apiserver(self, etcd_url: str, secure_port: int) -> None:
        tokens = self.folder / "tokens.csv"
        write_private(tokens, f'{self.token},admin,admin,"system:masters"\n'.encode())
        key = self.folder / "service-accounts.key"
        if not key.exists():  # tokens of an earlier start stay valid
            write_private(key, _new_key())
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
                popen = subprocess.Popen(  # noqa: S603
                    [self.programs / name, *arguments],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # The build of hack/controlplane ends when its standard input does, so that it never outlives us.
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


def _free_ports(count: int) -> list[int]:
    """Return free loopback ports, all different. Another program may still take one before it is used."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _answers(url: str, certificate: Path, token: str) -> bool:
    """Whether a GET succeeds; every failure counts as not ready, also a certificate that is not written yet."""
    try:
        trust = ssl.create_default_context(cafile=certificate)
        # No proxy: one that is set for the way out must not be asked for a loopback address.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310
        with opener.open(request, timeout=5.0):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except (OSError, http.client.HTTPException):
        return False


def _new_key() -> bytes:
    """Return a private key, in PEM, that signs service-account tokens; kube-apiserver takes the public half from it."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
