"""Tests that need real Pods: `make test-e2e-cluster`. What shows without a kubelet is tested in test/e2e."""
