"""Task: creates one TaskRun when its Agent is ready, and copies the newest answer of its runs."""
