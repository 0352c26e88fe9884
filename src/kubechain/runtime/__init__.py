"""A small controller-runtime for asyncio: informers, work queues, reconcilers, and the manager that runs them.

It knows Kubernetes and none of the project's own kinds; the vocabulary is that of Go's controller-runtime. What must
not go here: anything that names one of our kinds, a model provider or a tool protocol.

Layers, lowest first: keys, clock, errors, metadata, resource, telemetry (no I/O) < transport, credentials, client <
store, reflector, workqueue < informer, sources < loop, events, leaderelection, liveness, endpoints < controller <
manager. `.importlinter` has the full list.
"""
