"""People: approvals, questions, forms, and the channels by which they are asked.

Here: the protocol of a channel (deliver, look up, withdraw, read a reply) and one module for each channel; who decides
with kubectl needs none. What must not go here: decisions about runs and calls: they belong to `kubechain.controllers`.
"""
