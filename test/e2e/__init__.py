"""End-to-end tests: kubectl as the only client, the same tests on the embedded and on a real control plane."""
