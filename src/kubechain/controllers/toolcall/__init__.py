"""TaskRunToolCall: one call of a tool, claimed before it is carried out and recorded when it is over.

Lifecycle: `"" -> (Pending) -> Running -> Succeeded | Failed | OutcomeUnknown`, for another agent `AwaitingSubAgent`
instead of `Running`, and `Cancelled` from anywhere. A call that is not declared safe to repeat runs at most once:
whoever finds it interrupted reports that, and never tries again.
"""
