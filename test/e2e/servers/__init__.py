"""Tools for the end-to-end tests to call, each of which keeps a record of what was done to it.

`endpoint` is an HTTP endpoint in this process; `peer` is an MCP server in a process of its own, over any transport.
What must not go here: servers that misbehave on the level of the protocol; those are in `test/mcp/servers`.
"""
