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
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Mapping, Sequence
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

KILL_TRIES = 5
"""Runs to begin until one is still without its answer when the operator is killed."""

ENDED = ("FinalAnswer", "Failed", "Cancelled")

RERUN = """apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: TaskRun
metadata:
  name: {name}
spec:
  taskRef:
    name: sum-task
"""

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


def shown(line: str) -> str:
    """Print what a program has printed, and return it."""
    say(line.rstrip())
    return line


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

    @contextlib.contextmanager
    def watch(self, command: str) -> Generator[Iterator[str], None, None]:
        """Show a command that watches, and give the lines that it prints as they come, for `STEP_SECONDS` at most."""
        say(f"{paint(GREEN, '$')} {paint(BOLD, command + ' &')}")
        process = subprocess.Popen(
            shlex.split(command), cwd=self.folder, env=dict(self.environment), stdout=subprocess.PIPE, text=True
        )
        limit = threading.Timer(STEP_SECONDS, process.kill)
        limit.start()
        try:
            assert process.stdout is not None
            yield map(shown, process.stdout)
        finally:
            limit.cancel()
            process.kill()
            process.communicate()

    def wait(self, target: str, condition: str) -> None:
        """Wait for a condition, showing the command that a person would use."""
        self.run(f"kubectl wait --for={condition} --timeout={STEP_SECONDS}s {target}")


def walk_through(stage: Stage, manager: Manager) -> None:
    """Steps 1 to 5, and the end, of the walk-through in the README; and a kill in the middle of a run."""
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

    title("5. A tool: each call of it is an object, a TaskRunToolCall")
    stage.run("cat tool.yaml agent_with_add.yaml task_with_add.yaml")
    stage.run("kubectl apply -f tool.yaml -f agent_with_add.yaml -f task_with_add.yaml")
    stage.wait("taskrun/sum-task-1", "create")
    stage.wait("taskrun/sum-task-1", "condition=Succeeded")
    stage.run("kubectl get taskruntoolcall")
    stage.run("kubectl get taskrun sum-task-1")

    title("6. A kill: the operator dies in the middle of a run, and its successor goes on where it was")
    run = killed_in_the_middle(stage, manager)
    stage.wait(f"taskrun/{run}", "condition=Succeeded")
    stage.run(f"kubectl get taskrun {run}")
    stage.run(f"kubectl get taskruntoolcall -l kubechain.humanlayer.dev/taskrun={run}")

    title("7. The end: everything goes, and nothing is left behind")
    stage.run("kubectl delete taskruntoolcall,taskrun,task,agent,tool,mcpserver,llm --all")
    stage.run("kubectl delete secret openai")
    left = stage.run("kubectl get kubechain,secret -o name")
    if left.strip():
        raise DemoError(f"left behind: {' '.join(left.split())}")


def killed_in_the_middle(stage: Stage, manager: Manager) -> str:
    """Kill the operator once a run has the result of its tool and no answer yet, and start it again.

    Returns:
        The name of the run.

    Raises:
        DemoError: The model was faster than the kill, `KILL_TRIES` times.
    """
    for number in range(2, 2 + KILL_TRIES):
        run = f"sum-task-{number}"
        (stage.folder / "rerun.yaml").write_text(RERUN.format(name=run))
        stage.run("cat rerun.yaml")
        with stage.watch("kubectl get taskruntoolcall -w") as lines:
            next(lines)
            stage.run("kubectl apply -f rerun.yaml")
            if not any(line.startswith(f"{run}-t0-c0 ") and " Succeeded " in line for line in lines):
                raise DemoError(f"{run} made no tool call within {STEP_SECONDS} s")
            manager.kill()
        phase = stage.run(f"kubectl get taskrun {run} -o jsonpath='{{.status.phase}}'")
        manager.start()
        if phase not in ENDED:
            return run
        say(f"{run} had ended before the kill: once more, with another run\n")
    raise DemoError("the model answered before the operator could be killed")


def title(text: str) -> None:
    """Announce a step."""
    say(paint(CYAN, f"── {text} ".ljust(100, "─")))
    say()


@dataclass(slots=True)
class Manager:
    """The operator, a process of its own beside the control plane, so that it can be killed.

    Attributes:
        port: Of its probes.
        log: What it prints; every start appends.
        process: None while it is not running.
    """

    environment: Mapping[str, str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready.

        Raises:
            DemoError: It does not get ready.
        """
        say(f"{paint(GREEN, '$')} {paint(BOLD, 'kubechain manager &')}")
        addresses = [f"--health-probe-bind-address=127.0.0.1:{self.port}", "--metrics-bind-address=0"]
        self.process = start([KUBECHAIN, "manager", *addresses], self.log, self.environment)
        took = wait_until_ready(self.process, [f"http://127.0.0.1:{self.port}/readyz"])
        say(f"ready after {took:.1f} s\n")

    def kill(self) -> None:
        """Kill it with SIGKILL, which leaves it no time for a last word."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            say(f"{paint(GREEN, '$')} {paint(BOLD, f'kill -9 {self.process.pid}')}   {paint(DIM, '# the operator')}\n")
            self.process = None

    def stop(self) -> None:
        """End it, if it is running."""
        if self.process is not None:
            stop(self.process)


@contextlib.contextmanager
def control_plane(folder: Path, *, with_model: bool) -> Generator[tuple[Stage, Manager], None, None]:
    """The control plane and the operator, as a person would start them in another terminal; both go with the block."""
    ports = free_ports(3)
    arguments, urls = [f"--port={ports[0]}", "--no-manager"], [f"https://127.0.0.1:{ports[0]}/readyz"]
    if with_model:
        arguments += ["--model", f"--model-port={ports[2]}"]
        urls.append(f"http://127.0.0.1:{ports[2]}/v1/models")
        (folder / "llm.yaml").write_text(llm_at(f"http://127.0.0.1:{ports[2]}/v1"))
    environment = stage_environment(folder, folder / "kubeconfig")
    logs = folder / "dev.log", folder / "manager.log"
    manager = Manager(environment, ports[1], logs[1])
    say(f"{paint(GREEN, '$')} {paint(BOLD, 'kubechain dev --no-manager' + (' --model' if with_model else '') + ' &')}")
    process = start([KUBECHAIN, "dev", f"--kubeconfig={folder / 'kubeconfig'}", *arguments], logs[0], os.environ)
    try:
        took = wait_until_ready(process, urls)
        say(f"ready after {took:.1f} s; this takes place in its own control plane, not in any cluster of yours\n")
        manager.start()
        yield Stage(folder, environment), manager
    except DemoError as error:
        ends = "\n".join(f"\nthe end of {log.name}:\n{tail(log)}" for log in logs if log.exists())
        raise DemoError(f"{error}\n{ends}") from error
    finally:
        manager.stop()
        stop(process)


def start(command: Sequence[str | Path], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; what it prints is appended to the log."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stage_environment(folder: Path, kubeconfig: Path) -> dict[str, str]:
    """Ours, with the kubeconfig of the demo and nothing of the user's."""
    key = os.environ.get("OPENAI_API_KEY") or NO_KEY
    return {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "KUBECACHEDIR": str(folder / "kubectl-cache"),
        "OPENAI_API_KEY": key,
    }


def wait_until_ready(process: subprocess.Popen[bytes], urls: Sequence[str]) -> float:
    """Wait until each of the addresses answers with 200; return how many seconds that took."""
    began = time.monotonic()
    # Our own server on loopback, whose certificate is made at its start: the probe sends and believes nothing.
    context = ssl._create_unverified_context()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    for url in urls:
        while not is_answered(opener, url):
            with contextlib.suppress(subprocess.TimeoutExpired):
                raise DemoError(f"it ended with status {process.wait(0.05)}")
            if time.monotonic() - began > START_SECONDS:
                raise DemoError(f"{url} did not answer within {START_SECONDS:.0f} s")
    return time.monotonic() - began


def is_answered(opener: urllib.request.OpenerDirector, url: str) -> bool:
    """Whether the address answers with 200."""
    with contextlib.suppress(OSError, urllib.error.URLError), opener.open(url, timeout=2):
        return True
    return False


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
    return f"{(SAMPLES / 'llm.yaml').read_text().rstrip()}\n  parameters:\n    baseUrl: {base_url}\n    maxTokens: 96\n"


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
            for sample in ("llm", "agent", "task", "tool", "agent_with_add", "task_with_add"):
                shutil.copy(SAMPLES / f"{sample}.yaml", folder)
            with control_plane(folder, with_model=not os.environ.get("OPENAI_API_KEY")) as (stage, manager):
                walk_through(stage, manager)
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
