"""People: approvals, questions, forms, and the channels by which they are asked.

Empty in this release: a Tool or MCPServer that asks for approval is refused. What comes here: the protocol of a channel
(deliver, look up, withdraw, read a reply) and one module for each channel. What must not go here: decisions about runs
and calls, which belong to `kubechain.controllers`.
"""
