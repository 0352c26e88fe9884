"""What every part that meets the outside world needs, and that knows nothing of our kinds.

    addresses     where connections may go: one policy, with a preset for each use
    resolution    from a host to addresses that may be connected to
    connections   opens connections to such addresses only, for the HTTP libraries
    redaction     takes secrets out of text that others wrote, in every form of `secret_forms`
    foreign       cuts text that others wrote, and puts it on one line
    failures      words for failed connections, the same for each attempt
    retry_after   reads how long a server asks to wait
    backoff       how long to wait when no server says

The lowest layer beside `api`: nothing here may import another package of KubeChain, know a kind, or log.
"""
