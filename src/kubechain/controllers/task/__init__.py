"""Task: starts one TaskRun when its Agent is ready, follows the answers, and clears finished runs away."""
