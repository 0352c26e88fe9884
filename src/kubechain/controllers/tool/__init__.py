"""Tool: whether it can be carried out here, and whether what it refers to exists."""
