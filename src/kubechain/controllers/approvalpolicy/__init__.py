"""ApprovalPolicy: whether it can be applied as it is written. What it means for a call is decided with the call."""
