"""Agent: whether everything that it refers to exists and is ready. It has no effects."""
