"""Agent: are all the things that it refers to there and ready? It follows them: an Agent is as ready as they are."""
