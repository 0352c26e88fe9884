"""MCPServer: keeps this process connected to it, and its status true to the connection."""
