"""The operator's control loops: one package per kind.

Every package has the same shape: `observe` gathers all reads into one frozen value, `decide` is a pure function
from that value to a Step, effects carry a Step out and return an Outcome, `settle` turns both into the next status,
and the frame writes it once. No package imports another; what they share is `frame`, `resources` and `secrets`.
"""
