"""The way in: HTTPS on loopback, in-process calls, certificates, the kubeconfig, and injected faults.

What a request means is decided in `requests`.
"""
