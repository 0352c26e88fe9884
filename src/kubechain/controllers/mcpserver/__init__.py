"""MCPServer: keeps this process connected to it, and its status true to what the connection says."""
