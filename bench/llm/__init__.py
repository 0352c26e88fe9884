"""Our client of model providers beside the async SDKs of OpenAI and Anthropic, each in a process of its own."""
