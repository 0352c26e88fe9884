"""Process 1 of a node: `python -m hack.cluster.inside OPTIONS-AS-JSON RELAY-DESCRIPTOR`, in its new namespaces.

It makes the node's view of the machine, starts the programs, and reaps. It ends when its standard input does, or when
one of the programs ends; the kernel then ends everything else.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from hack.cluster import components, dns, room
from hack.cluster.keeper import Options
from hack.cluster.places import API_PORT, CONTAINERD_SOCKET, NODE_ADDRESS, NODE_NAME, Places
from hack.cluster.reporting import Report

START_SECONDS = 240.0
"""Limit for all of the start, which takes some 15 s on two idle cores."""

PAUSE_SECONDS = 0.1
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class StartError(Exception):
    """Raised when a program of the node ends, or the node is not ready in time."""


class Programs:
    """The programs of a node; process 1 starts and reaps them."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._names: dict[int, str] = {}
        self._environment = {**os.environ, "PATH": f"{places.programs}:{SYSTEM_PATH}"}
        self._deadline = time.monotonic() + START_SECONDS

    def start(self, name: str, arguments: Sequence[str]) -> None:
        """Start one of the programs that were built."""
        self.run(name, [str(self._places.program(name)), *arguments])

    def run(self, name: str, command: Sequence[str], *, pass_fds: Sequence[int] = ()) -> None:
        """Start a program under a name, which is that of its log."""
        with (self._places.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                pass_fds=pass_fds,
            )
        self._names[process.pid] = name

    def output(self, name: str, *arguments: str, stdin: str = "") -> str:
        """Run a program to its end and return what it printed; empty where it failed."""
        command = [str(self._places.program(name)), *arguments]
        done = subprocess.run(command, input=stdin, text=True, capture_output=True, env=self._environment, check=False)
        if done.returncode != 0:
            print(f"{name} {' '.join(arguments)}: {done.returncode}\n{done.stderr}", file=sys.stderr, flush=True)
        return done.stdout if done.returncode == 0 else ""

    def wait(self, what: str, is_so: Callable[[], bool]) -> None:
        """Wait until something is so.

        Raises:
            StartError: A program has ended, or the time is over.
        """
        while not is_so():
            self.reap()
            if time.monotonic() > self._deadline:
                raise StartError(f"not within {START_SECONDS:g} s: {what}")
            time.sleep(PAUSE_SECONDS)

    def reap(self, *, blocks: bool = False) -> None:
        """Take note of processes that have ended.

        Raises:
            StartError: One of them is a program of the node.
        """
        while True:
            pid, status = os.waitpid(-1, 0 if blocks else os.WNOHANG)
            if pid == 0:
                return
            if (name := self._names.pop(pid, None)) is not None:
                log = self._places.logs / f"{name}.log"
                last = log.read_text(errors="replace").strip().splitlines()[-1:]
                code = os.waitstatus_to_exitcode(status)
                raise StartError(f"{name} ended with {code}: {' '.join(last)[:300]} (see {log})")


def start(options: Options, relay: int, report: Report) -> Programs:
    """Start everything, and return when the node is ready.

    Raises:
        StartError: A program has ended, or the node is not ready in time.
    """
    places = options.places
    room.furnish(places)
    programs = Programs(places)
    programs.start("etcd", components.etcd(places))
    programs.start("kube-apiserver", components.apiserver(places))
    programs.start("containerd", components.containerd(places))
    programs.run("relay", [sys.executable, "-m", "hack.cluster.relay", str(relay)], pass_fds=(relay,))
    os.close(relay)
    programs.wait("containerd", lambda: programs.output("ctr", "-a", CONTAINERD_SOCKET, "version") != "")
    for archive in (*sorted(places.images.glob("*.tar")), *map(Path, options.images)):
        if not programs.output("ctr", *import_arguments(archive)):
            raise StartError(f"{archive} is not an image (see {places.logs}/node.log)")
        report.say(f"image {archive.stem} is imported")
    programs.wait("kube-apiserver", lambda: _is_ready(places))
    report.say("kube-apiserver is ready")
    programs.start("kube-controller-manager", components.controller_manager(places))
    programs.start("kube-scheduler", components.scheduler(places))
    programs.start("kubelet", components.kubelet(places))
    programs.start("kube-proxy", components.proxy(places))
    _wait_for_pods(programs, places)
    report.say("the node is Ready")
    return programs


def _wait_for_pods(programs: Programs, places: Places) -> None:
    """Return when the node runs Pods, NetworkPolicies are enforced and names are resolved."""
    kubeconfig = f"--kubeconfig={places.kubeconfig_of('admin')}"

    def wait(what: str, expected: str, *asked: str) -> None:
        command = (kubeconfig, "get", *asked, "--ignore-not-found")
        programs.wait(what, lambda: programs.output("kubectl", *command) == expected)

    manifests = json.dumps(dns.objects(places))
    programs.wait("DNS", lambda: programs.output("kubectl", kubeconfig, "apply", "-f-", stdin=manifests) != "")
    wait(
        "the node is Ready", "True", "node", NODE_NAME, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    )
    wait("a ServiceAccount for Pods", "serviceaccount/default\n", "serviceaccount", "default", "-o", "name")
    programs.start("kube-router", components.router(places))  # it asks for the addresses of the node
    deployment = ("deployment", dns.DEPLOYMENT, f"--namespace={dns.NAMESPACE}")
    wait("the Pod of CoreDNS", "1", *deployment, "-o", "jsonpath={.status.readyReplicas}")


def import_arguments(archive: Path) -> list[str]:
    """The arguments of `ctr` that import an image where kubelet looks for it."""
    return ["-a", CONTAINERD_SOCKET, "-n", "k8s.io", "images", "import", "--local", str(archive)]


def _is_ready(places: Places) -> bool:
    trust = ssl.create_default_context(cafile=places.pki / "ca.crt")
    trust.load_cert_chain(places.pki / "admin.crt", places.pki / "admin.key")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    try:
        with opener.open(f"https://{NODE_ADDRESS}:{API_PORT}/readyz", timeout=5.0):
            return True
    except OSError:
        return False


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Run the command line."""
    options = Options(**json.loads(sys.argv[1]))
    os.set_inheritable(options.report, False)
    report = Report(options.report)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        programs = start(options, int(sys.argv[2]), report)
        report.ready()
        while True:
            programs.reap(blocks=True)
    except (StartError, OSError, subprocess.SubprocessError) as error:
        report.failed(str(error))
        raise


if __name__ == "__main__":
    main()
