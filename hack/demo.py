"""The walk-through with the real kubectl, on the embedded control plane: what `make demo` runs.

It shows each command and what it prints, ends by itself, and leaves no process and no file behind. The local model
answers, unless OPENAI_API_KEY is set: then OpenAI does. Only the standard library, so that it can be read as a script.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "config" / "samples"
KUBECHAIN = Path(sys.executable).with_name("kubechain")

START_SECONDS = 60.0
STEP_SECONDS = 120
"""For the answer of the model: a small one on a busy machine may take its time."""

HAS_COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
BOLD, CYAN, DIM, GREEN, RED, PLAIN = "\033[1m", "\033[36m", "\033[2m", "\033[32m", "\033[31m", "\033[0m"

NO_KEY = "no-key-needed"
"""What the Secret holds for the local model, which asks for none."""


class DemoError(Exception):
    """Ends the demo with status 1; the message is for the person who watches."""


def paint(code: str, text: str) -> str:
    """The text in that colour, on a terminal."""
    return f"{code}{text}{PLAIN}" if HAS_COLOUR else text


def say(text: str = "") -> None:
    """Print a line now."""
    print(text, flush=True)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays.

    Attributes:
        folder: Temporary; commands run in it, so that what is shown is short.
        environment: With KUBECONFIG, and a cache folder for kubectl that goes with the rest.
    """

    folder: Path
    environment: Mapping[str, str]

    def run(self, command: str) -> str:
        """Show a command as typed, run it in a shell, show what it prints and return that.

        Raises:
            DemoError: It failed.
        """
        say(f"{paint(GREEN, '$')} {paint(BOLD, command)}")
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        say(done.stdout.rstrip() or paint(DIM, "(no output)"))
        say()
        if done.returncode != 0:
            raise DemoError(f"exit status {done.returncode}: {command}")
        return done.stdout

    def wait(self, target: str, condition: str) -> None:
        """Wait for a condition, showing the command that a person would use."""
        self.run(f"kubectl wait --for={condition} --timeout={STEP_SECONDS}s {target}")


def walk_through(stage: Stage) -> None:
    """Steps 1 to 4, and the end, of the walk-through in the README."""
    title("1. A model: its key in a Secret, and an LLM that names it")
    stage.run('kubectl create secret generic openai --from-literal=OPENAI_API_KEY="$OPENAI_API_KEY"')
    stage.run("cat llm.yaml")
    stage.run("kubectl apply -f llm.yaml")
    stage.wait("llm/gpt-4o", "condition=Ready")
    stage.run("kubectl get llm -o wide")

    title("2. An agent: a system prompt for that model")
    stage.run("cat agent.yaml")
    stage.run("kubectl apply -f agent.yaml")
    stage.wait("agent/my-assistant", "condition=Ready")
    stage.run("kubectl get agent -o wide")

    title("3. A task for the agent: it makes its first TaskRun by itself")
    stage.run("cat task.yaml")
    stage.run("kubectl apply -f task.yaml")

    title("4. The run: every step of it is in the API server")
    stage.wait("taskrun/hello-world-task-1", "create")
    stage.wait("taskrun/hello-world-task-1", "condition=Succeeded")
    stage.run("kubectl get taskrun")
    stage.run("kubectl get task -o wide")
    stage.run("kubectl describe taskrun hello-world-task-1")
    stage.run("kubectl get taskrun hello-world-task-1 -o jsonpath='{.status.output}'")

    title("5. The end: everything goes, and nothing is left behind")
    stage.run("kubectl delete taskruntoolcall,taskrun,task,agent,mcpserver,llm --all")
    stage.run("kubectl delete secret openai")
    left = stage.run("kubectl get kubechain,secret -o name")
    if left.strip():
        raise DemoError(f"left behind: {' '.join(left.split())}")


def title(text: str) -> None:
    """Announce a step."""
    say(paint(CYAN, f"── {text} ".ljust(100, "─")))
    say()


@contextlib.contextmanager
def control_plane(folder: Path, *, with_model: bool) -> Generator[Stage, None, None]:
    """`kubechain dev`, as a person would start it in another terminal; it goes when the block ends."""
    ports = free_ports(3)
    arguments = [f"--port={ports[0]}", f"--health-probe-bind-address=127.0.0.1:{ports[1]}"]
    if with_model:
        arguments += ["--model", f"--model-port={ports[2]}"]
        (folder / "llm.yaml").write_text(llm_at(f"http://127.0.0.1:{ports[2]}/v1"))
    kubeconfig, log = folder / "kubeconfig", folder / "dev.log"
    say(f"{paint(GREEN, '$')} {paint(BOLD, 'kubechain dev' + (' --model' if with_model else ''))}")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [KUBECHAIN, "dev", f"--kubeconfig={kubeconfig}", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        took = wait_until_ready(process, f"http://127.0.0.1:{ports[1]}/readyz", log)
        say(f"ready after {took:.1f} s; this takes place in its own control plane, not in any cluster of yours\n")
        yield Stage(folder, stage_environment(folder, kubeconfig))
    except DemoError as error:
        raise DemoError(f"{error}\n\nthe end of the control plane's log:\n{tail(log)}") from error
    finally:
        stop(process)


def stage_environment(folder: Path, kubeconfig: Path) -> dict[str, str]:
    """Ours, with the kubeconfig of the demo and nothing of the user's."""
    key = os.environ.get("OPENAI_API_KEY") or NO_KEY
    return {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "KUBECACHEDIR": str(folder / "kubectl-cache"),
        "OPENAI_API_KEY": key,
    }


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> float:
    """Wait for the ready probe; return how many seconds that took."""
    began = time.monotonic()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        with contextlib.suppress(OSError, urllib.error.URLError), opener.open(url, timeout=2):
            return time.monotonic() - began
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise DemoError(f"the control plane ended with status {process.wait(0.05)}")
        if time.monotonic() - began > START_SECONDS:
            raise DemoError(f"the control plane was not ready within {START_SECONDS:.0f} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it and everything that it started."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def llm_at(base_url: str) -> str:
    """The LLM of the samples, at the local model."""
    return f"{(SAMPLES / 'llm.yaml').read_text().rstrip()}\n  parameters:\n    baseUrl: {base_url}\n    maxTokens: 64\n"


def free_ports(count: int) -> Sequence[int]:
    """Loopback ports that nobody uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def tail(log: Path, lines: int = 30) -> str:
    """The end of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def interrupted(_number: int, _frame: object) -> None:
    """Make every signal end the demo in the same orderly way."""
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo; return the exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    began = time.monotonic()
    try:
        if shutil.which("kubectl") is None:
            raise DemoError("kubectl is needed and not on the PATH: see https://kubernetes.io/docs/tasks/tools/")
        with tempfile.TemporaryDirectory(prefix="kubechain-demo-") as name:
            folder = Path(name)
            for sample in ("llm", "agent", "task"):
                shutil.copy(SAMPLES / f"{sample}.yaml", folder)
            with control_plane(folder, with_model=not os.environ.get("OPENAI_API_KEY")) as stage:
                walk_through(stage)
    except DemoError as error:
        print(f"{paint(RED, 'error:')} {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; everything is stopped and removed", file=sys.stderr)
        return 130
    say(paint(GREEN, f"Done in {time.monotonic() - began:.0f} s. Nothing is left running."))
    say(f"Next: {shlex.join(['.venv/bin/kubechain', 'dev', '--model'])}, and your own manifests.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
