"""`kubechain manager`: runs the operator against a Kubernetes API server."""

from __future__ import annotations

import argparse

from kubechain.cli.flags import (
    NAMESPACES,
    NAMESPACES_ALIASES,
    Address,
    Flags,
    address,
    names,
    namespace,
    namespaces,
    networks,
    object_name,
    positive,
    seconds,
)

SUMMARY = "run the operator"
DESCRIPTION = """\
Run the operator: it watches the LLMs, Agents, Tasks and TaskRuns of a cluster and works on them.

In a pod it finds its cluster by itself. Elsewhere it takes the kubeconfig that kubectl would take.
SIGTERM and Ctrl-C end it gracefully: it starts nothing new, writes down what it has, releases its
leadership and exits with 0. It exits with 75 when it loses its leadership, so that its pod restarts.
"""
LOG_LEVELS = ("debug", "info", "warning", "error")

EPILOG = """\
examples:
  kubechain manager                                        the current context, all namespaces
  kubechain manager --namespaces team-a,team-b             these namespaces only
  kubechain manager --leader-elect --log-format json       as in a Deployment with two replicas
  kubechain manager --leader-elect --shards                the same, with all replicas at work
  KUBECHAIN_LOG_LEVEL=debug kubechain manager              a flag by its variable
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    _add_cluster_flags(Flags(parser))
    add_tool_flags(Flags(parser))
    _add_stdio_flag(Flags(parser))
    _add_people_flags(Flags(parser))
    _add_leadership_flags(Flags(parser))
    _add_serving_flags(Flags(parser))
    _add_audit_flag(Flags(parser))
    add_log_flags(Flags(parser))


def add_log_flags(flags: Flags) -> None:
    """Declare the flags of logging, which `kubechain dev` has too."""
    flags.value(
        "--log-level", default="info", choices=LOG_LEVELS, metavar="LEVEL", help=_listed("what to log", LOG_LEVELS)
    )
    flags.value(
        "--log-format",
        default="auto",
        choices=("auto", "json", "console"),
        metavar="FORMAT",
        help="json, console, or auto: console on a terminal and json elsewhere",
    )


def _add_audit_flag(flags: Flags) -> None:
    flags.value(
        "--audit-log",
        default="",
        metavar="FILE",
        help="where each prompt, answer, tool call and decision is written, a JSON line with the hash of the line "
        "before; - for standard output; none: nowhere",
    )


def _listed(text: str, choices: tuple[str, ...]) -> str:
    return f"{text}: {', '.join(choices)}"


def _add_cluster_flags(flags: Flags) -> None:
    flags.value(
        "--kubeconfig",
        default="",
        metavar="FILE",
        help="how to reach the cluster; none: what kubectl would take, or in a pod its own cluster",
    )
    flags.value("--context", default="", metavar="NAME", help="context of the kubeconfig; none: the current one")
    flags.value(
        NAMESPACES,
        default="",
        type=namespaces,
        metavar="A,B",
        aliases=NAMESPACES_ALIASES,
        help="namespaces to watch; none: all of them",
    )
    flags.value(
        "--max-concurrent-runs",
        default="1000",
        type=positive,
        metavar="N",
        help="how many runs may wait for a model at the same time",
    )


def add_tool_flags(flags: Flags) -> None:
    """Declare the flag of the addresses that tools may reach, which `kubechain dev` has too."""
    flags.value(
        "--allow-addresses",
        default="",
        type=names,
        metavar="A,B",
        help="networks, addresses and host names that HTTP tools may reach although they are not public",
    )


def _add_stdio_flag(flags: Flags) -> None:
    flags.switch(
        "--allow-stdio-servers",
        default=True,
        help="start MCP servers of type stdio as child processes; false: only those with isolation: Pod run, and the "
        "status of others says that they are forbidden",
    )
    flags.switch(
        "--isolate-servers",
        default=False,
        help="run MCP servers with isolation: Pod in Pods of their own; it takes the rights of config/isolation",
    )
    flags.value(
        "--bridge-image",
        default="",
        metavar="IMAGE",
        help="image with the bridge for those Pods; none: the image of the manager's own Pod",
    )
    flags.value(
        "--bridge-url",
        default="",
        metavar="URL",
        help="how the bridge of a server is reached, with {service} and {namespace} in it; none: its Service "
        "in the cluster",
    )


def _add_people_flags(flags: Flags) -> None:
    flags.switch(
        "--require-verified-approvals",
        default=False,
        help="let a person's decision count only where the API server verified who made it, by the admission policies",
    )
    flags.value(
        "--admission-policy",
        default="kubechain-human-requests",
        type=object_name,
        metavar="NAME",
        help="name of the admission policy that compares who decides with who writes, and of its binding",
    )


def _add_leadership_flags(flags: Flags) -> None:
    flags.switch(
        "--leader-elect",
        default=False,
        help="work only while no other replica does; without it, run one manager only: two take each other's work "
        "for abandoned, and overwrite each other's status",
    )
    flags.value(
        "--leader-election-namespace",
        default="",
        type=namespace,
        metavar="NAME",
        help="where the Lease is; none: the pod's own namespace, or the context's",
    )
    flags.value(
        "--leader-election-id",
        default="kubechain.humanlayer.dev",
        type=object_name,
        metavar="NAME",
        help="name of the Lease",
    )
    flags.switch(
        "--shards",
        default=False,
        help="let all replicas work on runs, each on its part; needs --leader-elect, and is the same for all replicas",
    )


def _add_serving_flags(flags: Flags) -> None:
    flags.value(
        "--health-probe-bind-address",
        default=":8081",
        type=address,
        metavar="ADDRESS",
        help="where /healthz and /readyz are served; 0 turns them off",
    )
    flags.value(
        "--metrics-bind-address",
        default=":8080",
        type=address,
        metavar="ADDRESS",
        help="where /metrics is served for Prometheus; 0 turns it off",
    )
    flags.switch(
        "--metrics-secure",
        default=False,
        help="serve /metrics over TLS, and only to those whose token the API server knows and who may get the path "
        "/metrics; it takes the rights of config/metrics-secured",
    )
    flags.value(
        "--metrics-cert-path",
        default="",
        metavar="FOLDER",
        help="folder of tls.crt and tls.key for --metrics-secure, read again when they are replaced; none: one that "
        "nobody signed is made at each start",
    )
    flags.switch(
        "--debug-endpoint",
        default=False,
        help="also serve /debug beside /metrics: tasks, queues, caches; no object and no secret",
    )
    flags.value(
        "--endpoint-bind-address",
        default="0",
        type=address,
        metavar="ADDRESS",
        help="where links and callbacks of contact channels are answered, by which people decide; 0 turns them off",
    )
    flags.value(
        "--endpoint-trusted-proxies",
        default="",
        type=networks,
        metavar="A,B",
        help="networks of the proxies before that address: whom they forward for, and not they, is limited by address",
    )
    flags.value(
        "--graceful-shutdown-timeout",
        default="30s",
        type=seconds,
        metavar="DURATION",
        help="how long work in progress may take to end after SIGTERM",
    )


def run(options: argparse.Namespace) -> int:
    """Run until a signal, or until the leadership is lost."""
    from kubechain import logs
    from kubechain.cli import process
    from kubechain.cli.operator import Operator
    from kubechain.manager import ManagerOptions

    logs.configure(level=options.log_level, format=options.log_format)
    operator = Operator(
        ManagerOptions(
            kubeconfig=options.kubeconfig or None,
            context=options.context or None,
            namespaces=options.namespaces,
            leader_elect=options.leader_elect,
            leader_election_namespace=options.leader_election_namespace or None,
            leader_election_id=options.leader_election_id,
            shards=options.shards,
            probe_address=text_of(options.health_probe_bind_address),
            metrics_address=text_of(options.metrics_bind_address),
            metrics_secure=options.metrics_secure,
            metrics_certificates=options.metrics_cert_path or None,
            debug=options.debug_endpoint,
            endpoint_address=text_of(options.endpoint_bind_address),
            trusted_proxies=options.endpoint_trusted_proxies,
            grace_seconds=options.graceful_shutdown_timeout,
            max_concurrent_runs=options.max_concurrent_runs,
            allowed_addresses=options.allow_addresses,
            allow_stdio_servers=options.allow_stdio_servers,
            isolate_servers=options.isolate_servers,
            bridge_image=options.bridge_image or None,
            bridge_url=options.bridge_url or None,
            require_verified_approvals=options.require_verified_approvals,
            admission_policy=options.admission_policy,
            audit_log=options.audit_log or None,
        )
    )
    return process.run(operator.run, flags=listeners(options))


def listeners(options: argparse.Namespace) -> dict[str, str]:
    """The flag of each address that is listened at; of two flags with one address, the first."""
    given = vars(options)
    names = [name for name in given if name.endswith("_bind_address") and given[name] is not None]
    return {str(given[name]): f"--{name.replace('_', '-')}" for name in reversed(names)}


def text_of(where: Address | None) -> str | None:
    """The address as text; None for no listener."""
    return None if where is None else str(where)
