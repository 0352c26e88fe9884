"""Connections to MCP servers, over HTTP or as child processes: lists their tools and calls them.

A caller identifies a server by a `ServerKey` and describes it by a `ServerSpec`, with secrets resolved to `SecretStr`.
The caller gets a `ServerState`, a `CallResult`, or an `McpError` that says whether the tool may have run. This package
does not depend on Kubernetes. It keeps state in memory only, and rebuilds it after a restart.

    manager       the entry point for other packages: ensure, state, remove, call
    connection    the owner task of one server: connects, lists tools, serves calls, reconnects
    plan          decides the next step of an owner task; pure
    sdk           the only module that imports the MCP library; imported when the first server connects
    http, stdio   the transports that the library uses
    process       a child process in its own process group
    environment   the program and the environment variables of a child process
    launcher      runs first in a child process; limits its rights, then executes the server
    warden        kills the process groups of the children when the manager dies
"""
