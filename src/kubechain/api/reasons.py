"""Reasons and messages of events and conditions: what users, dashboards and scripts match on.

The literals are part of the API: a change breaks scripts. Messages that carry a value are functions. There is a section
for each kind; a reason that only one of several kinds uses stands in that kind's section.
"""

from __future__ import annotations

from collections.abc import Sequence

# Components that events come from ("From" in kubectl describe).
LLM_CONTROLLER = "llm-controller"
AGENT_CONTROLLER = "agent-controller"
TOOL_CONTROLLER = "tool-controller"
TASK_CONTROLLER = "task-controller"
TASK_RUN_CONTROLLER = "taskrun-controller"
TASK_RUN_TOOL_CALL_CONTROLLER = "taskruntoolcall-controller"
MCP_CONTROLLER = "mcp-controller"
CONTACT_CHANNEL_CONTROLLER = "contactchannel-controller"

# All kinds.
INITIALIZING = "Initializing"
"""The object was seen for the first time."""
STARTING_VALIDATION = "Starting validation"
VALIDATION_SUCCEEDED = "ValidationSucceeded"
"""Everything that the object refers to is there and usable."""
VALIDATION_FAILED = "ValidationFailed"
"""The object, or something that it refers to, is wrong and must be changed."""
WAITING = "Waiting"
"""Something that the object refers to is missing or not ready; the object continues when it is."""
WRITE_REFUSED = "WriteRefused"
"""The API server refuses a write that the object needs, that of its status included; it is tried again."""


def waiting_to_exist(kind: str, name: str) -> str:
    """Return the message of `WAITING` while something does not exist."""
    return f'Waiting for {kind} "{name}" to exist: create it, or name another one'


def with_cause(message: str, cause: str) -> str:
    """Return the message of a wait with what the object that is waited for says of itself."""
    return f"{message}: {cause}" if cause else message


# LLM.
UNVERIFIED = "Unverified"
"""The model server answers, and does not show whether it accepts the key and has the model; runs use it as it is."""
NOT_CHECKED = "Not checked: spec.validation is None"
ENDPOINT_ANSWERED = "Model endpoint answered"
MODEL_ANSWERED = "The model answered a call of one token"
MODEL_RETIRES_SOON = "ModelRetiresSoon"
"""The provider retires the model within 30 days, or calls it retired; the message says when."""
MODEL_STAYS = "ModelStays"
"""The provider does not retire the model within 30 days."""
PARAMETERS_NOT_TAKEN = "ParametersNotTaken"
"""Fields of the spec are not acted on; the message names them."""
PARAMETERS_TAKEN = "ParametersTaken"
"""Every field of the spec is acted on again."""


def api_key_validated(provider: str) -> str:
    """Return the detail of an LLM whose key the provider accepts.

    Args:
        provider: The provider's name as people write it, such as OpenAI.
    """
    return f"{provider} API key validated successfully"


def unverified(detail: str) -> str:
    """Return the detail of an LLM whose server does not show whether it accepts the key and has the model.

    Args:
        detail: What was tried.
    """
    return f"The model server answers, key and model are not verified: {detail}"


FALLBACKS_READY = "FallbacksReady"
"""Every fallback of the LLM exists and is Ready."""

FALLBACKS_NOT_READY = "FallbacksNotReady"
"""A fallback of the LLM does not exist or is not Ready: runs pass over it. The LLM itself is used as before."""

PROVIDER_FAILING = "ProviderFailing"
"""Several calls in a row failed at the provider: runs wait, and one at a time tries it."""

PROVIDER_ANSWERS = "ProviderAnswers"
"""The provider answered again."""

CIRCUIT_CLOSED = "The provider answers again; runs call it"
"""Message of `PROVIDER_ANSWERS`."""


def circuit_open(detail: str) -> str:
    """Return the message of `PROVIDER_FAILING`.

    Args:
        detail: How the first of the calls failed.
    """
    return f"Calls fail in a row; runs wait, one call at a time tries the provider: {detail}"


def parameters_not_taken(fields: Sequence[str]) -> str:
    """Return the message of `PARAMETERS_NOT_TAKEN`."""
    return f"not acted on by this release or this provider: {', '.join(fields)}"


# ContactChannel.
BLOCKS_IGNORED = "BlocksIgnored"
"""The spec has blocks of other types than its own; the message names them."""
BLOCKS_TAKEN = "BlocksTaken"
"""The spec has no such blocks any more."""


def blocks_ignored(type_: str, blocks: Sequence[str]) -> str:
    """Return the message of `BLOCKS_IGNORED`."""
    return f"ignored, since the type is {type_}: {', '.join(blocks)}"


# Typed answers.
OUTPUT_SCHEMA_REFUSED = "OutputSchemaRefused"
"""outputSchema is none that answers can be validated against; the message names the place."""
OUTPUT_MISMATCH = "OutputMismatch"
"""The model's answer does not match outputSchema: it is asked again, or the run fails; the message names the place."""


# Agent.
ALL_DEPENDENCIES_VALIDATED = "All dependencies validated successfully"

# Task.
TASK_RUN_CREATED = "TaskRunCreated"
"""The task's first run was created."""
TASK_RUN_CREATED_DETAIL = "Task Run Created"
TASK_RUN_NAME_TAKEN = "TaskRunNameTaken"
"""The name of the task's first run belongs to something else."""
TASK_RUN_REFUSED = "TaskRunRefused"
"""The API server refuses the task's first run; it is tried again."""
GIVEN_UP = "GivenUp"
"""What was refused was tried for as long as limits.retryFor allows."""


TASK_RUN_FAILED = "TaskRunFailed"
"""The task's newest run failed."""
TASK_RUN_CANCELLED = "TaskRunCancelled"
"""The task's newest run was cancelled."""
TASK_RUN_DELETED = "TaskRunDeleted"
"""The task's newest run was deleted before its end."""
HISTORY_PRUNED = "HistoryPruned"
"""A finished run was deleted, because the task keeps no more of its kind."""
HISTORY_NOT_PRUNED = "HistoryNotPruned"
"""The API server refuses the deletion of a finished run; it is tried again."""
TASK_EDITED = "TaskEdited"
"""The task was edited after its newest run began; the edit has no effect on that run."""


def run_deleted(name: str) -> str:
    """Return the message of `TASK_RUN_DELETED`."""
    return f'TaskRun "{name}" was deleted'


def history_pruned(name: str, phase: str) -> str:
    """Return the message of `HISTORY_PRUNED`."""
    return f'Deleted TaskRun "{name}" ({phase}): historyLimit keeps newer ones'


def edited_since(name: str) -> str:
    """Return the message of `TASK_EDITED`."""
    return f'edited since TaskRun "{name}" began, without effect on it: create another TaskRun of this Task to run it'


def created_task_run(name: str) -> str:
    """Return the message of `TASK_RUN_CREATED`."""
    return f"Created TaskRun {name}"


# TaskRun.
TASK_VALIDATED = "Task validated successfully"
LLM_FINAL_ANSWER = "LLMFinalAnswer"
"""The model gave its final answer."""
LLM_RESPONSE_RECEIVED = "LLM response received successfully"
LLM_FINAL_RESPONSE_DETAIL = "LLM final response received"
TRUNCATED = "AnswerTruncated"
"""The final answer is not whole; the run's condition Truncated says why."""
TOKEN_LIMIT = "TokenLimitReached"  # noqa: S105 no password
"""The model's answer was cut at the limit of tokens, the LLM's parameters.maxTokens or that of its server."""
TEXT_LIMIT = "TextTooLong"
"""The model's answer is longer than what a run can hold; its middle is left out."""
TOOL_CALLS_PENDING = "ToolCallsPending"
"""The model asked for tool calls."""
LLM_REQUEST_FAILED = "LLMRequestFailed"
"""A model call failed; the message says whether it is retried or the run has failed."""
FALLBACK_USED = "FallbackUsed"
"""The run's LLM cannot answer, and one of its fallbacks is called; the message says why."""
FALLBACK_ENDED = "FallbackEnded"
"""The run's own LLM answered again, after one of its fallbacks had."""
CONTEXT_WINDOW_TOO_LARGE = "ContextWindowTooLarge"
"""The conversation no longer fits into the API server."""
CONTEXT_CHUNK_BROKEN = "ContextChunkBroken"
"""A ContextChunk of the run is gone or has another content: the conversation cannot be read."""
MODEL_WINDOW_EXCEEDED = "ModelWindowExceeded"
"""The conversation is longer than the model's window; the message says what of it is left out of requests, or why the
run has failed."""
CONVERSATION_SUMMARISED = "ConversationSummarised"
"""A summary takes the place of old turns in what the model is sent; the run keeps all of them."""
SUMMARY_FAILED = "SummaryFailed"
"""No summary of old turns could be made; old tool results are left out of requests instead."""
CONTEXT_WINDOW_FULL = "ContextWindowFull"
"""The conversation is nearly too large to store; the model is asked for its answer."""
LIMIT_EXCEEDED = "LimitExceeded"
"""A limit of turns, tokens or tool calls was reached."""
LIMIT_NEAR = "LimitNear"
"""Most of a limit of turns, tokens or tool calls is used."""
BUDGET_REQUESTED = "BudgetRequested"
"""A limit was reached, and a person is asked to add to it; a HumanRequest waits for the decision."""
BUDGET_NOT_REQUESTED = "BudgetNotRequested"
"""The API server refuses the HumanRequest that asks to add to a limit; it is tried again."""
BUDGET_ADDED = "BudgetAdded"
"""A person added to a limit that was reached; the run goes on."""
BUDGET_NOT_ADDED = "BudgetNotAdded"
"""A person approved with an answer that cannot be used; the next HumanRequest says why."""
LIMIT_PASSED = "LimitPassed"
"""A limit is not reached any more, because it was raised; the run goes on."""
DEADLINE_EXCEEDED = "DeadlineExceeded"
"""The run took longer than its activeDeadlineSeconds."""
CANCELLED = "Cancelled"
"""The run was cancelled."""
STATUS_REFUSED = "StatusRefused"
"""The API server refuses a status, for another reason than its size; it is tried again."""
AGENT_DELETED = "AgentDeleted"
"""The run's agent was deleted; the run continues with what it pinned when it began."""
TOOL_CALL_NAME_TAKEN = "ToolCallNameTaken"
"""The name of a tool call's object belongs to something else."""
TOOL_CALL_REFUSED = "ToolCallRefused"
"""The API server refuses a tool call's object; it is tried again."""
UNANSWERED_TOOL_CALL = "UnansweredToolCall"
"""The conversation that the run starts from asks for a tool call and has no answer to it."""
CONTINUED = "Continued"
"""The run begins with the conversation of another run; the message says which."""
CANNOT_CONTINUE = "CannotContinue"
"""There is no conversation to begin with, as spec.continueFrom asks for; the message says why."""
ADOPTED = "Adopted"
"""The run was begun by an earlier release; it goes on from its conversation and its tool calls."""
WAITED_TOO_LONG = "WaitedTooLong"
"""Something that a begun run or a call needs was missing for as long as limits.retryFor allows."""
LATE_RESULT = "LateResult"
"""A result came after its attempt had timed out; it has no effect."""


def llm_answers_again(name: str) -> str:
    """Return the message of `FALLBACK_ENDED`."""
    return f'LLM "{name}" answers again; no fallback is called'


def final_response_cut(cut: str) -> str:
    """Return the detail of a run whose final answer is not whole."""
    return f"{LLM_FINAL_RESPONSE_DETAIL}, not whole: {cut}"


MESSAGES_NOT_READ = "MessagesNotRead"
"""The run ended before its agent read all of spec.messages."""


def messages_not_read(count: int) -> str:
    """Return the message of `MESSAGES_NOT_READ`."""
    return f"{count} of spec.messages came too late: the run ended before its agent read them"


def waiting_for_task(name: str) -> str:
    """Return the message of `WAITING` while a run's task is not ready."""
    return f'Waiting for task "{name}" to become ready'


def waiting_for_agent(name: str) -> str:
    """Return the message of `WAITING` while a run's agent is not ready."""
    return f'Waiting for agent "{name}" to become ready'


def waiting_for_llm(name: str) -> str:
    """Return the message of `WAITING` while an agent's LLM is not ready."""
    return f'Waiting for LLM "{name}" to become ready'


def waiting_for_run(name: str) -> str:
    """Return the message of `WAITING` while the run that another one continues goes on."""
    return f'Waiting for TaskRun "{name}" to end'


def queued_for_llm(name: str, place: str) -> str:
    """Return the message of `WAITING` while a run may not call its LLM yet.

    Args:
        name: Of the LLM.
        place: Where the run is in the queue, and why the queue does not move.
    """
    return f'Waiting for LLM "{name}": {place}'


# MCPServer.
TOOLS_DISCOVERED = "ToolsDiscovered"
"""The server is connected and has listed its tools."""
CONNECTING = "Connecting"
"""A connection is being made."""
CONNECTED = "Connected"
"""The connection was made again, and the server offers the same tools as before."""
ASLEEP = "Asleep"
"""No call needs the server, and its Pod is stopped; the next call starts it."""
CONNECTION_LOST = "ConnectionLost"
"""The connection was lost; it is made again."""
TOOLS_CHANGED = "ToolsChanged"
"""The server offers other tools than before."""
TOOLS_LEFT_OUT = "ToolsLeftOut"
"""The server lists tools that cannot be offered; the message names them."""
TOOLS_UNMATCHED = "ToolsUnmatched"
"""The spec calls tools safe to repeat that the server does not offer; the message names them."""
TOOLS_REPAIRED = "ToolsRepaired"
"""The server describes tools wrongly, which was repaired or ignored; the message names them."""
CONNECTION_FAILED = "ConnectionFailed"
"""The server could not be reached or started."""


def discovered_tools(count: int) -> str:
    """Return the message of `TOOLS_DISCOVERED`."""
    return f"Discovered {count} tool(s)"


# TaskRunToolCall.
TOOL_CALL_SUCCEEDED = "ToolCallSucceeded"
"""The tool returned a result."""
TOOL_CALL_FAILED = "ToolCallFailed"
"""The tool returned an error, or could not be called; the model reads why."""
OUTCOME_UNKNOWN = "OutcomeUnknown"
"""The call was interrupted and must not be repeated."""
SUB_AGENT_REFUSED = "SubAgentRefused"
"""The API server refuses the TaskRun of another agent; it is tried again."""
SUB_AGENT_STARTED = "SubAgentStarted"
"""A TaskRun of another agent was created for the call."""

APPROVAL_REQUESTED = "ApprovalRequested"
"""A person is asked to approve the call; a HumanRequest waits for the decision."""
APPROVAL_NOT_REQUESTED = "ApprovalNotRequested"
"""The API server refuses the HumanRequest of a call; it is tried again."""
APPROVED = "Approved"
"""A person approved the call."""
APPROVED_FOR_RUN = "ApprovedForRun"
"""The call is carried out under an approval for the rest of its run."""
INPUT_REQUESTED = "InputRequested"
"""A person is asked for an answer that the call waits for; a HumanRequest waits for it."""
INPUT_NOT_REQUESTED = "InputNotRequested"
"""The API server refuses the HumanRequest that asks for an answer; it is tried again."""
ANSWERED = "Answered"
"""A person answered, and the call goes on, or ends with the answer."""
REJECTED = "ToolCallRejected"
"""The call is not made: a person or a policy refused it, or nobody decided in time; the model reads why."""

# HumanRequest.
HUMAN_REQUEST_CONTROLLER = "humanrequest-controller"
DECIDED = "Decided"
"""A person decided, and the decision is recorded in the call."""
EXPIRED = "Expired"
"""Nobody decided in time."""
WITHDRAWN = "Withdrawn"
"""Nobody waits for a decision any more."""
DELIVERED = "Delivered"
"""The request was sent to its ContactChannel."""
NOT_DELIVERED = "NotDelivered"
"""The request could not be sent; it is tried again."""
REMINDED = "Reminded"
"""Nobody has decided for some time; people are reminded."""
KUBECTL_DECIDES = "KubectlDecides"
"""The request is not sent to its ContactChannel; people decide with kubectl."""

# ContactChannel.
LISTENING = "Listening"
"""Answers come over the connection that the manager opened."""
NOT_LISTENING = "NotListening"
"""That connection cannot be made now; it is tried again, and people decide in another way."""

# ApprovalPolicy.
APPROVAL_POLICY_CONTROLLER = "approvalpolicy-controller"
POLICY_VALIDATED = "The policy applies to calls that are made from now on"

# Budget.
BUDGET_CONTROLLER = "budget-controller"
BUDGET_HOLDS = "BudgetHolds"
"""The budget is not spent; the message says what is."""
BUDGET_NEARLY_SPENT = "BudgetNearlySpent"
"""80 % of the budget are spent in this period."""
BUDGET_SPENT = "BudgetSpent"
"""The budget is spent; runs wait, or fail, before their next model call."""

# Tool.
TOOL_VALIDATED = "Tool validated successfully"
