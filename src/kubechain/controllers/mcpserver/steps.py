"""What an MCPServer's control loop does next: one frozen value for each step."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.controllers.mcpserver.manifests import Manifest
from kubechain.mcp.model import Flaw, ServerSpec, ToolInfo


@dataclass(frozen=True, slots=True)
class Refuse:
    """Disconnect: the spec cannot work until it or a Secret changes.

    Attributes:
        look_again_seconds: When to look at the Secret again; None for a change that a watch tells of.
    """

    detail: str
    look_again_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection to an earlier server of the same name, before the secrets of this one are read."""


@dataclass(frozen=True, slots=True)
class MakeToken:
    """Make the Secret by which the server's bridge knows this manager."""


@dataclass(frozen=True, slots=True)
class Host:
    """Create or update objects of a server in a Pod of its own, in this order."""

    manifests: tuple[Manifest, ...]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Delete the objects of a server that is in a Pod no more.

    Attributes:
        kinds: Of which it owns an object.
    """

    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """Put the server to sleep, or wake it: its Deployment gets this many Pods."""

    replicas: int


@dataclass(frozen=True, slots=True)
class ReportAsleep:
    """The server sleeps, and no call needs it."""


@dataclass(frozen=True, slots=True)
class AwaitPod:
    """There is nothing to connect to until the server's Pod is ready.

    Attributes:
        is_waking: Whether it slept before: who uses the server waits, and is not told that it is not ready.
        trouble: What the Pod waits for, in the words of Kubernetes; empty where nothing says it.
    """

    trouble: str = ""
    is_waking: bool = False


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect the server as it is specified."""

    spec: ServerSpec


@dataclass(frozen=True, slots=True)
class ReportUnconnected:
    """The connection is not usable now.

    Attributes:
        is_broken: Whether it fails until somebody acts.
        is_failing: Whether it failed and is tried again.
        is_lost: Whether it worked before it failed.
    """

    detail: str
    is_broken: bool = False
    is_failing: bool = False
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class ReportTools:
    """The server is connected and offers these tools.

    Attributes:
        flaws: What is wrong with tools that it lists.
        look_again_seconds: When it has been idle for long enough to sleep; None for a server that never does.
    """

    tools: tuple[ToolInfo, ...]
    flaws: tuple[Flaw, ...] = ()
    look_again_seconds: float | None = None


PodStep = MakeToken | Host | Scale | ReportAsleep | AwaitPod
Step = PodStep | Withdraw | Refuse | Disconnect | Connect | ReportUnconnected | ReportTools
