"""LLM: is the provider there, is the key good, does the model exist? One free request for each version of it."""
