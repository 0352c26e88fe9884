"""One real Kubernetes node on this machine, without Docker and without a network: for tests, and to try things out.

    python -m hack.cluster up      # prints the path of a kubeconfig; `down` ends it

Everything runs in namespaces and cgroups of its own, and ends with the process that keeps it:

    Node        starts and ends a node; what tests use             node.py
    keeper      outside the namespaces: cgroups, sweeping          keeper.py, cgroups.py
    inside      process 1 of the node: mounts, network, programs   inside.py, room.py, components.py

What must not go here: anything about KubeChain. Its image and its tests are in `hack.image` and test/cluster.
"""
