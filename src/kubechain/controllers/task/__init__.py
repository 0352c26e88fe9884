"""Task: creates one TaskRun when its Agent is ready, and follows its newest run."""
