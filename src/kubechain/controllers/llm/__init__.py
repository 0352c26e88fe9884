"""LLM: whether its provider accepts the key and has the model; checked by one free request for each version of it."""
