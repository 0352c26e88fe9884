"""Connections to MCP servers: child processes and HTTP peers, their tools, the calls to them.

Callers name a server by a `ServerKey`, describe it with resolved values (`ServerSpec`, secrets as `SecretStr`) and get
back a `ServerState`, a `CallResult`, or an `McpError` that says whether the call may have happened. Nothing here knows
Kubernetes, and nothing that is kept here is missed after a restart.

    manager       what other packages use: ensure, state, remove, call
    connection    one owner task per server: connect, list, serve, wait, again
    plan          what an owner does next; pure
    sdk           the only module that imports the MCP library; loaded when the first server is ensured
    http, stdio   the two ways to reach a server, as transports for the library
    process       a child process group; environment: what it may see; launcher, warden: how it never outlives us
"""
