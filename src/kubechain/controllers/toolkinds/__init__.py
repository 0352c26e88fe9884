"""The sorts of tools: one module each, and one row each in `registry`.

A sort says which names an Agent's model is offered, what stands behind a name now, how a call of it is planned, and
how a planned call is carried out. Nothing outside this package asks what sort a tool is.
"""
