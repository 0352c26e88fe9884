"""What every part that meets the outside world needs, and that knows nothing of our kinds.

    addresses     where connections may go: one policy, with a preset for each use
    connections   opens connections that follow the policy, also after name resolution
    redaction     takes secrets out of text that others wrote
    foreign       cuts text that others wrote, and puts it on one line
    failures      words for failed connections, the same for each attempt
    retry_after   reads how long a server asks to wait
    backoff       how long to wait when no server says

The lowest layer beside `api`: nothing here may import another package of KubeChain, know a kind, or log.
"""
