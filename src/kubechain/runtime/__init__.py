"""A small controller-runtime for asyncio: informers, work queues, reconcilers, and the manager that runs them.

It knows Kubernetes and nothing of the kinds of this project; the vocabulary is that of Go's controller-runtime. Used by
`kubechain.controllers` (through the manager and the client) and by `kubechain.manager`, which builds everything. What
must not go here: anything that names one of our kinds, a model provider or a tool protocol.

Layers, lowest first: keys, clock, errors, metadata, resource (no I/O) < transport, credentials, client < store,
reflector, informer < workqueue < controller < events, leaderelection, liveness, health, metrics < manager.
"""
