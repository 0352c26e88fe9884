"""Small bugs, put in one at a time: each must fail the tests that are named beside it.

    python -m test.source_mutants [NAME ...]

A mutant is one edit of one file. The tests run on a copy of the sources that has it; where the text to be replaced is
not there any more, the mutant has to be written anew. Run by `make test-simulation`; larger mutants, those of whole
functions, are in `test.simulation.mutants`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTROLLERS = "src/kubechain/controllers"
SHARDS = "src/kubechain/runtime/shards"
TESTS_FAILED = 1
"""Exit status of pytest; an error at import has another one."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit, and who must notice.

    Attributes:
        name: What the bug is.
        path: Of the file, from the root of the repository.
        old: Occurs there once.
        new: Takes its place.
        tests: For pytest.
    """

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]


ALL: Sequence[Mutant] = (
    Mutant(
        "a chunk of another content is read as if it were the one that was recorded",
        f"{CONTROLLERS}/taskrun/chunks.py",
        "if spec.sha != wanted.sha or content_sha(before, spec.messages) != wanted.sha:",
        "if spec.sha != wanted.sha:",
        ("test/controllers/taskrun/test_chunks.py", "test/cli/test_conversation.py"),
    ),
    Mutant(
        "what a chunk repeats of others is believed as it is",
        f"{CONTROLLERS}/taskrun/chunkreading.py",
        "if chunks.lasting_sha(run.metadata.uid, found.all_lasting) == moved.lasting_sha:",
        "if found is not None:",
        ("test/controllers/taskrun/test_chunkreading.py",),
    ),
    Mutant(
        "every chunk is read for each request",
        f"{CONTROLLERS}/taskrun/chunkreading.py",
        "if start <= through or spec.previous is None:",
        "if spec.previous is None:",
        ("test/controllers/taskrun/test_chunkreading.py",),
    ),
    Mutant(
        "a provider's id is kept where it may be one of those that were not read",
        f"{CONTROLLERS}/taskrun/admission.py",
        'call_id = _clean(call.id) if is_all_read else ""',
        "call_id = _clean(call.id)",
        ("test/controllers/taskrun/test_admission.py",),
    ),
    Mutant(
        "a refused request is sent again as it was",
        f"{CONTROLLERS}/taskrun/growth.py",
        "if room.context.too_long and room.size(view) > WORTH_IT * room.now_bytes:",
        "if room.context.too_long and room.size(view) > 2 * room.now_bytes:",
        ("test/controllers/taskrun/test_growth.py",),
    ),
    Mutant(
        "results that the model has not read yet are left out",
        f"{CONTROLLERS}/taskrun/rendering.py",
        "before = min(older[-1] + 1 if older else 0, newest_turn(said))",
        "before = older[-1] + 1 if older else 0",
        ("test/controllers/taskrun/test_growth.py",),
    ),
    Mutant(
        "trustAnnotations is never asked",
        "src/kubechain/api/mcpserver.py",
        "bool(self.trust_annotations and tool.repeatable)",
        "bool(tool.repeatable)",
        ("test/controllers/test_semantics.py",),
    ),
    Mutant(
        "the list of tools that are safe to repeat is ignored",
        "src/kubechain/api/mcpserver.py",
        "if is_declared or is_trusted else",
        "if is_trusted else",
        ("test/controllers/test_semantics.py",),
    ),
    Mutant(
        "a glob stands for every name that begins like it",
        "src/kubechain/api/globs.py",
        "len(name) == len(first) and _is_at",
        "len(name) >= len(first) and _is_at",
        ("test/api/test_globs.py", "test/controllers/test_semantics.py"),
    ),
    Mutant(
        "a glob stands for names that end otherwise",
        "src/kubechain/api/globs.py",
        " and _is_at(last, name, end)):",
        "):",
        ("test/api/test_globs.py",),
    ),
    Mutant(
        "a tool that is included is safe to repeat",
        "src/kubechain/api/mcpserver.py",
        "return self.tools.idempotent if",
        "return (*self.tools.idempotent, *self.tools.include) if",
        ("test/controllers/test_semantics.py",),
    ),
    Mutant(
        "a Task tells of its run before it can have ended",
        f"{CONTROLLERS}/task/created.py",
        "QUIET_SECONDS = 1.0",
        "QUIET_SECONDS = 0.0",
        ("test/controllers/test_quick_tasks.py",),
    ),
    Mutant(
        "a Task says nothing of a run that has ended",
        f"{CONTROLLERS}/task/decide.py",
        "created.quiet_seconds and follow.phase not in _ENDS.values():",
        "created.quiet_seconds:",
        ("test/controllers/task/test_decide.py",),
    ),
    Mutant(
        "every call that is safe to repeat is taken for a pure function",
        f"{CONTROLLERS}/toolcall/effects.py",
        "planner is not None and not planner.acts_outside and step.semantics",
        "planner is not None and step.semantics",
        (
            "test/controllers/test_interrupted_calls.py"
            "::test_a_call_that_acts_outside_costs_three_writes_and_its_turn_two",
        ),
    ),
    Mutant(
        "a function that may not be repeated is called without a claim",
        f"{CONTROLLERS}/toolcall/effects.py",
        "not planner.acts_outside and step.semantics == ToolSemantics.IDEMPOTENT",
        "not planner.acts_outside",
        ("test/controllers/test_tool_turns.py::test_an_unsafe_call_that_was_interrupted_is_reported_and_not_repeated",),
    ),
    Mutant(
        "a claim on a tool call holds whatever its token",
        f"{CONTROLLERS}/toolcall/claims.py",
        "(current.token, current.holder) == (execution.token, execution.holder)",
        "current.holder == execution.holder",
        ("test/controllers/toolcall/test_claims.py",),
    ),
    Mutant(
        "a delegation without the live look",
        f"{CONTROLLERS}/toolcall/reconciler.py",
        "live_steps: ClassVar[tuple[type, ...]] = (Delegate, CreateRequest)",
        "live_steps: ClassVar[tuple[type, ...]] = (CreateRequest,)",
        ("test/controllers/test_delegation.py",),
    ),
    Mutant(
        "an expired run is deleted without its uid",
        f"{CONTROLLERS}/taskrun/reconciler.py",
        "metadata.name, uid=metadata.uid",
        "metadata.name",
        ("test/controllers/test_expiry.py",),
    ),
    Mutant(
        "the first attempt of a tool call is counted as the second",
        f"{CONTROLLERS}/toolcall/decide.py",
        "attempt=execution.attempt + 1 if execution else 0)",
        "attempt=execution.attempt + 1 if execution else 1)",
        ("test/controllers/test_attempts.py",),
    ),
    Mutant(
        "a repeated tool call is counted twice",
        f"{CONTROLLERS}/toolcall/decide.py",
        "attempt=execution.attempt + 1 if execution else 0)",
        "attempt=execution.attempt + 2 if execution else 0)",
        ("test/controllers/test_semantics.py",),
    ),
    Mutant(
        "a tool call is taken over once too often",
        f"{CONTROLLERS}/toolcall/decide.py",
        "if tries(observed.call) >= ATTEMPTS_MAX:",
        "if tries(observed.call) > ATTEMPTS_MAX:",
        ("test/controllers/test_attempts.py",),
    ),
    Mutant(
        "a take-over of a tool call is counted twice",
        f"{CONTROLLERS}/toolcall/decide.py",
        "return _begin(observed, offer, attempt=execution.attempt + 1)",
        "return _begin(observed, offer, attempt=execution.attempt + 2)",
        ("test/controllers/test_attempts.py",),
    ),
    Mutant(
        "a tool call is tried once too often",
        f"{CONTROLLERS}/toolcall/settle.py",
        "status.execution is not None and tries(call) < ATTEMPTS_MAX",
        "status.execution is not None and tries(call) <= ATTEMPTS_MAX",
        ("test/controllers/test_semantics.py",),
    ),
    Mutant(
        "the first attempt of a turn is counted as the second",
        f"{CONTROLLERS}/taskrun/claims.py",
        "claim.attempt + 1 if claim is not None else 0",
        "claim.attempt + 1 if claim is not None else 1",
        ("test/controllers/test_attempts.py",),
    ),
    Mutant(
        "a take-over of a turn is counted twice",
        f"{CONTROLLERS}/taskrun/decide.py",
        "_send(observed, attempt=claim.attempt + 1)",
        "_send(observed, attempt=claim.attempt + 2)",
        ("test/controllers/test_attempts.py",),
    ),
    Mutant(
        "a turn that is tried again is counted twice",
        f"{CONTROLLERS}/taskrun/claims.py",
        "claim.attempt + 1 if claim is not None",
        "claim.attempt + 2 if claim is not None",
        ("test/controllers/test_attempts.py",),
    ),
    Mutant(
        "the place in a queue is written at each move",
        f"{CONTROLLERS}/taskrun/llmslots.py",
        "return next((most for most in ROUNDED_PLACES if ahead <= most), FAR_BACK)",
        "return ahead",
        ("test/controllers/taskrun/test_llmqueue.py",),
    ),
    Mutant(
        "a run that moves up in a queue never says so",
        f"{CONTROLLERS}/taskrun/llmqueue.py",
        "waiting.told not in (None, Place.rounded(ahead))",
        "waiting.told is None",
        ("test/controllers/taskrun/test_llmqueue.py",),
    ),
    Mutant(
        "what a call brings does not count once a person is asked about it",
        f"{CONTROLLERS}/toolcall/effects.py",
        "if is_asked_about(written, execution):",
        "if False:",
        ("test/controllers/test_unknown_outcomes.py",),
    ),
    Mutant(
        "what a call brings ends every question that the call has asked",
        f"{CONTROLLERS}/toolcall/claims.py",
        "and asked.type == HumanRequestType.OUTCOME",
        "and asked.type is not None",
        ("test/controllers/toolcall/test_claims.py",),
    ),
    Mutant(
        "a chunk is shown and repeated without its hash",
        f"{CONTROLLERS}/taskrun/chunkstore.py",
        "if trouble := chunks.flaw(run, found, wanted.reference, wanted.index):",
        "if trouble := '':",
        ("test/cli/test_gathering.py", "test/cli/test_conversation.py"),
    ),
    Mutant(
        "a request to a fallback is made for the window of the run's own LLM",
        f"{CONTROLLERS}/taskrun/growth.py",
        "if not contextsize.is_due(run, llm):",
        "if not contextsize.is_due(run, observed.llm):",
        ("test/controllers/taskrun/test_growth.py",),
    ),
    Mutant(
        "an LLM that turns ready wakes no run that has not begun",
        f"{CONTROLLERS}/taskrun/watches.py",
        "return [*begun, *(request for requests in waiting for request in requests)]",
        "return begun",
        ("test/controllers/taskrun/test_watches.py",),
    ),
    Mutant(
        "the spec's own window does not count in the size cap",
        f"{CONTROLLERS}/taskrun/conversation.py",
        "in (*self.in_spec, *self.messages))",
        "in self.messages)",
        ("test/controllers/test_sizes.py",),
    ),
    Mutant(
        "agents delegate one level too deep",
        f"{CONTROLLERS}/toolkinds/agent.py",
        "depth >= DEPTH_MAX",
        "depth > DEPTH_MAX",
        ("test/controllers/test_delegation.py",),
    ),
    Mutant(
        "agents delegate one level too little",
        f"{CONTROLLERS}/toolkinds/agent.py",
        "depth >= DEPTH_MAX",
        "depth + 1 >= DEPTH_MAX",
        ("test/controllers/test_delegation.py",),
    ),
    Mutant(
        "json_query reads the results of other runs",
        f"{CONTROLLERS}/toolcall/watches.py",
        'return [f"{call.metadata.namespace}/{call.spec.task_run_ref.name}"]',
        "return [f\"{call.metadata.namespace}/{call.spec.task_run_ref.name.replace('other', 'hello')}\"]",
        ("test/controllers/test_tool_turns.py",),
    ),
    Mutant(
        "json_query reads the results of other namespaces",
        f"{CONTROLLERS}/toolcall/effects.py",
        "earlier = self.calls.by_index(CALLS_BY_RUN, key)",
        'earlier = [*self.calls.by_index(CALLS_BY_RUN, key), *self.calls.by_index(CALLS_BY_RUN, "elsewhere/hello-1")]',
        ("test/controllers/test_tool_turns.py",),
    ),
    Mutant(
        "a redirect from https to http is followed",
        "src/kubechain/tools/external_api.py",
        'if sent.url.scheme == "https" and target.scheme != "https":',
        "if False:",
        ("test/tools/test_external_api.py",),
    ),
    Mutant(
        "a 303 keeps the idempotency key",
        "src/kubechain/tools/external_api.py",
        '{"Content-Type", request.idempotency_header}',
        '{"Content-Type"}',
        ("test/tools/test_external_api.py",),
    ),
    Mutant(
        "a URL-encoded secret is not redacted",
        "src/kubechain/net/secret_forms.py",
        "    yield from _in_urls(value)\n",
        "",
        ("test/tools/test_external_api.py", "test/mcp/test_sdk.py"),
    ),
    Mutant(
        "a secret written as JSON is not redacted",
        "src/kubechain/net/secret_forms.py",
        "    yield from _in_json(value)\n",
        "",
        ("test/mcp/test_sdk.py",),
    ),
    Mutant(
        "a place of an MCP child is not given back",
        "src/kubechain/mcp/connection.py",
        "self.child_count -= 1",
        "pass",
        ("test/mcp/test_connection.py",),
    ),
    Mutant(
        "the host of an MCP server's address is not checked",
        "src/kubechain/mcp/endpoint.py",
        "        NOT_METADATA.check_host(host)\n",
        "        pass\n",
        ("test/mcp/test_http.py",),
    ),
    Mutant(
        "what the name of an MCP server resolves to is not checked",
        "src/kubechain/mcp/http.py",
        "CheckedTransport(CheckedNetwork(NOT_METADATA, lookup=lookup))",
        "httpx2.AsyncHTTPTransport()",
        ("test/mcp/test_http.py",),
    ),
    Mutant(
        "what the name of a model's address resolves to is not checked",
        "src/kubechain/llm/pool.py",
        "CheckedTransport(self._network, tls=self._tls, limits=limits)",
        "httpx2.AsyncHTTPTransport(verify=self._tls, limits=limits)",
        ("test/llm/test_pool.py",),
    ),
    Mutant(
        "an object is read back whatever its uid",
        f"{CONTROLLERS}/frame.py",
        "return found if found.metadata.uid == obj.metadata.uid else None",
        "return found",
        ("test/controllers/test_outcomewriter.py",),
    ),
    Mutant(
        "an own write is dropped for another key",
        "src/kubechain/runtime/loop.py",
        "if not (change.own and self._knows(key)):",
        "if not change.own:",
        ("test/runtime/test_controller.py",),
    ),
    Mutant(
        "a lease that names another holder counts as alive",
        "src/kubechain/runtime/liveness.py",
        "if lease.spec.holder_identity != holder:",
        "if False:",
        ("test/runtime/test_liveness.py",),
    ),
    Mutant(
        "a cached Secret is never read again",
        f"{CONTROLLERS}/secrets.py",
        "if cached is not None and cached.metadata.resource_version == version:",
        "if cached is not None:",
        ("test/controllers/test_secrets.py",),
    ),
    Mutant(
        "a decision about a request that is older than the policies is verified",
        f"{CONTROLLERS}/authority.py",
        "created >= self.since",
        "created <= self.since",
        ("test/controllers/test_authority.py",),
    ),
    Mutant(
        "policies that were changed count as they were made",
        f"{CONTROLLERS}/authority.py",
        'for text in (metadata.get("creationTimestamp"), *said):',
        'for text in (metadata.get("creationTimestamp"),):',
        ("test/controllers/test_authority.py",),
    ),
    Mutant(
        "a policy may leave out what it is for",
        f"{CONTROLLERS}/authority.py",
        "if not any(re.sub",
        "if not validations and not any(re.sub",
        ("test/controllers/test_authority.py",),
    ),
    Mutant(
        "the shard map is written whatever another leader wrote meanwhile",
        f"{SHARDS}/sharing.py",
        "resource_version=base.resource_version,",
        'resource_version="",',
        ("test/runtime/shards/test_sharing.py",),
    ),
    Mutant(
        "a shard map that a restore brought back is followed by nobody",
        f"{SHARDS}/allocation.py",
        "if current is None or current.epoch < followed:",
        "if current is None:",
        ("test/runtime/shards/test_sharing.py",),
    ),
    Mutant(
        "a replica acts on its buckets although its Lease may have run out",
        f"{SHARDS}/gate.py",
        "bucket in self._held and self._is_fresh()",
        "bucket in self._held",
        ("test/runtime/shards/test_gate.py",),
    ),
    Mutant(
        "a bucket moves before its holder has released it",
        f"{SHARDS}/allocation.py",
        "if holder.said.epoch >= bucket.since:",
        "if holder.said.epoch >= 0:",
        ("test/runtime/shards/test_allocation.py",),
    ),
    Mutant(
        "the buckets of a dead replica move before its Lease has run out",
        f"{SHARDS}/sharing.py",
        "                if left > 0:",
        "                if left > DURATION_SECONDS / 2:",
        ("test/runtime/shards/test_sharing.py",),
    ),
    Mutant(
        "the leader believes a watch that is behind",
        f"{SHARDS}/sharing.py",
        "members.keys() & (living | renewed)",
        "members.keys() & living",
        ("test/runtime/shards/test_sharing.py",),
    ),
    Mutant(
        "a bucket in which its last holder still works counts as released",
        f"{SHARDS}/gate.py",
        " and bucket not in said.busy",
        "",
        ("test/runtime/shards/test_gate.py",),
    ),
    Mutant(
        "the circuits of a replica that does not lead are known to nobody",
        f"{CONTROLLERS}/parts.py",
        "OpenCircuits(check_llm, manager.sharing)",
        "OpenCircuits(check_llm)",
        ("test/controllers/test_peers.py",),
    ),
    Mutant(
        "an LLM that refuses the runs of a replica that does not lead stays ready",
        f"{CONTROLLERS}/parts.py",
        "LLMChecks(check_llm, manager.clock, manager.sharing)",
        "LLMChecks(check_llm, manager.clock)",
        ("test/controllers/test_peers.py",),
    ),
)


def trial(mutant: Mutant) -> str:
    """Run the tests on sources with the bug, and return what is wrong with them: nothing when they fail.

    Raises:
        LookupError: The text to be replaced does not occur once.
    """
    sources = next(folder for folder in (ROOT / mutant.path).parents if folder.name == "src")
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / "src"
        shutil.copytree(sources, copy)
        _edit(copy / (ROOT / mutant.path).relative_to(sources), mutant)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *mutant.tests],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(copy)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode == TESTS_FAILED and "\nFAILED " in done.stdout:
        return ""
    return "nobody noticed" if done.returncode == 0 else f"pytest ended with {done.returncode}:\n{done.stdout[-2000:]}"


def _edit(path: Path, mutant: Mutant) -> None:
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise LookupError(f"{mutant.path}: {text.count(mutant.old)} times: {mutant.old!r}")
    path.write_text(text.replace(mutant.old, mutant.new))


def main(names: Sequence[str]) -> int:
    """Try all mutants, or those named, and print a line for each."""
    chosen = [mutant for mutant in ALL if not names or mutant.name in names]
    escaped = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        trials = [(mutant, pool.submit(trial, mutant)) for mutant in chosen]
        for mutant, future in trials:
            trouble = str(future.exception() or "") or future.result()
            escaped += bool(trouble)
            print(f"{'ESCAPED' if trouble else 'caught':8} {mutant.name}{': ' * bool(trouble)}{trouble}", flush=True)
    return 1 if escaped or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
