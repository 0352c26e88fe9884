"""ContactChannel: says what it is good for in this release, and which of its blocks have no effect."""
