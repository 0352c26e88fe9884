"""TaskRun: one conversation between an agent and its model; each step is stored before the next one begins.

Lifecycle: `"" -> (Pending) -> ReadyForLLM -> SendContextWindowToLLM -> {ToolCallsPending -> ReadyForLLM}* ->
FinalAnswer | Failed | Cancelled`, with `ErrorBackoff` after any model failure that may pass. A run without
tools takes three writes: W1 pins Agent, LLM and tools, W2 claims the model call, W3 records the answer.
"""
