"""The whole operator in a box: real reconcilers and runtime, an API server without sockets, and time that jumps.

    make test-simulation                                     every scenario, thousands of plans
    python -m test.simulation replay SCENARIO PLAN SEED      one of them again, with its story

A *scenario* says which objects exist and what people do. Its *reference run* numbers every W point: each write to the
API server and each side effect (a model call, a tool call). A *plan* breaks one of them; a *seed* permutes the order
in which everything else happens. What must hold all the time is in `invariants`, what must hold at the end in
`oracles`.
"""
