"""Tables, as kubectl prints them, and the metadata-only forms of objects and lists."""
