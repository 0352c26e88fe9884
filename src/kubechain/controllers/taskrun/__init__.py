"""TaskRun: one conversation between an agent and its model, moved forward one checkpoint at a time.

Lifecycle: `"" -> (Pending) -> ReadyForLLM -> SendContextWindowToLLM -> {ToolCallsPending -> ReadyForLLM}* ->
FinalAnswer | Failed | Cancelled`, with `ErrorBackoff` after any model failure that may pass. Three writes make a run
without tools: W1 pins what it means, W2 claims the model call, W3 records the answer.
"""
