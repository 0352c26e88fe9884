"""KubeChain: an orchestrator for AI agents on Kubernetes."""

from __future__ import annotations

__version__ = "0.1.0"
