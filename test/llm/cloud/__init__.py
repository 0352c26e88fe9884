"""Access to the clouds."""
