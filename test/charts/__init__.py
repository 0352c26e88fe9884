"""The chart beside what kustomize and the release YAML give, by the real `helm`."""
