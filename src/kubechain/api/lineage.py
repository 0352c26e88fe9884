"""Labels that say where a run or a call stands in its tree, so that `kubectl get tr,trtc -l …/root=NAME` is the tree.

They are set when an object is made and never changed: a run that a person makes has those that the person gives it, and
counts as the root of its tree where it has none.
"""

from __future__ import annotations

from kubechain.api.meta import GROUP
from kubechain.api.names import label_value
from kubechain.api.taskrun import TaskRun

LABEL_ROOT = f"{GROUP}/root"
"""Name of the run that a person or a Task started."""

LABEL_PARENT = f"{GROUP}/parent"
"""Of a run that answers a call: name of the run that made the call."""

LABEL_AGENT = f"{GROUP}/agent"
"""Name of the agent of the run, or of the run that made the call."""

LABEL_DEPTH = f"{GROUP}/depth"
"""How many runs are above: 0 for the root and its calls."""


def of_root(name: str, agent: str) -> dict[str, str]:
    """The labels of a run that is made for a Task."""
    return {LABEL_ROOT: label_value(name), LABEL_AGENT: label_value(agent), LABEL_DEPTH: "0"}


def of_call(run: TaskRun) -> dict[str, str]:
    """The labels of a call of this run."""
    pinned = run.status.pinned
    return _place(run, more=0) | ({LABEL_AGENT: label_value(pinned.agent_name)} if pinned is not None else {})


def of_child(parent: TaskRun | None, agent: str) -> dict[str, str]:
    """The labels of a run that answers a call.

    Args:
        parent: The run that made the call; None where it is gone.
        agent: Who does the work.
    """
    own = {LABEL_AGENT: label_value(agent)}
    if parent is None:
        return own
    return {LABEL_PARENT: label_value(parent.metadata.name), **own, **_place(parent, more=1)}


def _place(run: TaskRun, *, more: int) -> dict[str, str]:
    """Root and depth, as far as the run knows them: a run below others that an earlier release made does not."""
    known = run.metadata.labels
    is_root = run.spec.task_run_tool_call_ref is None
    root = known.get(LABEL_ROOT) or (label_value(run.metadata.name) if is_root else "")
    depth = known.get(LABEL_DEPTH, "0" if is_root else "")
    if not root or not depth.isascii() or not depth.isdigit():
        return {}
    return {LABEL_ROOT: root, LABEL_DEPTH: str(int(depth[:3]) + more)}
