"""The operator's control loops: a package for each kind, all of the same shape.

    observe      reads all that a decision depends on, into one frozen value; has no effect
    decide       from that value to a step: pure
    steps        the steps, as frozen values
    outcomes     what an effect can lead to, as values
    effects      carries a step out
    settle       from a step or an outcome to the next status: pure
    watches      indexes, and maps from a changed object to the keys that depend on it
    setup        registers the loop with a manager
    reconciler   puts the stages together

`frame` has the loop itself, `toolkinds` the sorts of tools, `parts` what all loops share, `outcomewriter` the write of
an outcome under a claim. No kind's package imports another's.
"""
