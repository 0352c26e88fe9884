"""MCPServer: keeps this process connected to it, and its status up to date with the connection."""
