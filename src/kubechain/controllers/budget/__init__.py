"""Budget: says how much is spent, and keeps what deleted runs have spent. The loop of TaskRuns holds the runs."""
