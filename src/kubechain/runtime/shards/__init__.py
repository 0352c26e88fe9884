"""Replicas that share the work: each acts on the buckets that the leader's map gives it.

Every object that is shared belongs to one of 64 buckets. The leader writes the ShardMap, an annotated Lease, from the
Leases of the living replicas. A replica acts on a bucket while the map names it and its own Lease is fresh. A bucket
that moves is released by its holder first; that of a dead one moves when its Lease has run out.

    replicas' Leases ──watch──▶ leader: allocation (pure) ──compare-and-swap──▶ ShardMap ──watch──▶ each replica's gate
           ▲                                                                                             │
           └───────────────── acknowledged: starts nothing more in the buckets it lost ──────────────────┘

A map only saves work. Two replicas that act on one object by a wrong map conflict, since each write is conditional.
What must not go here: our kinds, and which bucket an object belongs to.
"""
