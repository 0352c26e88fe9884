"""HumanRequest: says in its status what became of it. What a decision leads to is decided with the call that asks.

Lifecycle: `Open -> Decided | Expired | Withdrawn`. The call's record of the decision comes first, this status follows.
"""
