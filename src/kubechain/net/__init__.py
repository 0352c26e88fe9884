"""Network code that the API, model, tool and MCP clients share.

    addresses     address policies: which hosts and addresses connections are allowed to
    resolution    resolves a host name to addresses that a policy allows
    connections   opens connections to allowed addresses only, for the HTTP libraries
    redaction     removes secrets from foreign text, in every form that `secret_forms` lists
    foreign       truncates foreign text and puts it on one line
    failures      describes a failed connection, with the same text for each attempt
    retry_after   reads the delay that a server requests
    backoff       computes the delay when the server requests none

"Foreign text" is text from outside KubeChain: from servers, providers, programs and libraries. This is the lowest
layer, beside `api`: a module here must not import another package of KubeChain, depend on a kind, or log.
"""
