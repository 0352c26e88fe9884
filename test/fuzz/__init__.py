"""Coverage-guided search for answers of model providers that our client cannot take: `make test-fuzz`."""
