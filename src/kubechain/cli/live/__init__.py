"""The live page of `kubechain ui`: served on loopback to one browser, acting as the user of the kubeconfig."""
