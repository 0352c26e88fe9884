"""People: the channels by which they are asked, and what they answer with.

Each channel is a module behind the protocols of `model`: a message is delivered, looked up, closed, and a reply read.
The signed links and the page that they open are here too. What must not go here: who may decide, and what a decision
leads to; both belong to `kubechain.controllers`.
"""
