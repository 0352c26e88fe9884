"""Task: starts one TaskRun when its Agent is ready, and follows the answers of all its runs."""
