"""HTTPS server on loopback, in-process calls, certificates, kubeconfig, and injected faults."""
