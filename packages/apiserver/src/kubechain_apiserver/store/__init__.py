"""Where objects are kept: memory or SQLite, revisions, the history that watches read, and selectors."""
