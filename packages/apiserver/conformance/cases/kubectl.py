"""kubectl's verbs, by each kubectl of the machine."""

from __future__ import annotations

import json
from typing import Any

from packages.apiserver.conformance.cases.kinds import config_map, widget
from packages.apiserver.conformance.steps import Case, Kubectl, Step, case


def _run(command: str, body: Any = None, **more: Any) -> Kubectl:
    return Kubectl(command, json.dumps(body) if body is not None else "", **more)


_WIDGET = widget("a", labels={"x": "y"})
_APPLY = _run("apply -f -", _WIDGET)
_QUIET = _run("apply -f -", _WIDGET, quiet=True)


def _on_widget(name: str, *commands: str) -> Case:
    steps: list[Step] = [_run(command) for command in commands]
    return case(name, _QUIET, *steps)


CASES = [
    case(
        "apply: created, unchanged, configured",
        _APPLY,
        _APPLY,
        _run("apply -f -", widget("a", {"message": "hi", "color": "green"})),
    ),
    case("apply: what is not valid", _run("apply -f -", widget("a", {"message": "hi", "color": "blue"}))),
    case(
        "apply: an unknown field",
        _run("apply -f -", widget("a", {"message": "hi", "zzz": 1})),
        _run("apply --validate=warn -f -", widget("a", {"message": "hi", "zzz": 1})),
        _run("apply --validate=ignore -f -", widget("b", {"message": "hi", "zzz": 1})),
    ),
    case(
        "apply --server-side",
        *[_run("apply --server-side -f -", _WIDGET)] * 2,
        _run(
            "apply --server-side --field-manager=other -f -",
            widget("a", {"message": "hi", "color": "green"}, labels={"x": "z"}),
        ),
    ),
    case("apply --server-side after apply", _QUIET, _run("apply --server-side -f -", _WIDGET)),
    case(
        "apply --dry-run",
        _run("apply --dry-run=server -f -", _WIDGET),
        _run("apply --dry-run=client -f -", _WIDGET),
        _run("get widget a"),
    ),
    case(
        "apply a ConfigMap three ways",
        _run("apply -f -", config_map("c", {"a": "1", "b": "2"})),
        _run("apply -f -", config_map("c", {"a": "1"})),
        _run("get configmap c -o jsonpath={.data}"),
    ),
    case("apply a ConfigMap without data twice", *[_run("apply -f -", config_map("c", {}))] * 2),
    case(
        "apply --prune",
        _run("apply --prune -l x=y --prune-allowlist=core/v1/ConfigMap -f -", config_map("c", labels={"x": "y"})),
    ),
    case("create, and again", _run("create -f -", _WIDGET), _run("create -f -", _WIDGET)),
    case(
        "create configmap and secret",
        _run("create configmap c --from-literal=a=1"),
        _run("create secret generic s --from-literal=a=1"),
        _run("get configmap,secret"),
        _run("get secret s -o jsonpath={.data}"),
    ),
    case("create namespace", _run("create namespace $ns-x"), _run("delete namespace $ns-x --wait=false")),
    case("create serviceaccount", _run("create serviceaccount s"), _run("get serviceaccount s -o name")),
    case(
        "replace",
        _QUIET,
        _run("replace -f -", widget("a", {"message": "hi", "color": "green"})),
        _run("replace -f -", widget("nope")),
    ),
    case("replace --force", _QUIET, _run("replace --force -f -", _WIDGET)),
    _on_widget(
        "get",
        "get widgets",
        "get wdg a",
        "get widgets -o wide",
        "get widgets -o name",
        "get widget nope",
        "get toys",
        "get widgets --show-labels",
        "get widgets -L x",
    ),
    _on_widget(
        "get by selectors",
        "get widgets -l x=y -o name",
        "get widgets -l x!=y",
        "get widgets --field-selector spec.color=red -o name",
        "get widgets --field-selector spec.nope=1",
    ),
    _on_widget(
        "get in forms",
        "get widget a -o jsonpath={.spec.message}",
        "get widget a -o yaml",
        "get widget a -o json",
        "get widgets -o custom-columns=N:.metadata.name,M:.spec.message",
        "get widgets --sort-by=.metadata.name",
        "get widgets --no-headers",
    ),
    _on_widget("get --raw", "get --raw /nope"),
    _on_widget("get with chunks", "get widgets --chunk-size=1"),
    case("get of a kind that does not exist", _run("get nopes"), _run("get widgets.other.io")),
    case("get of nothing", _run("get widgets"), _run("get widgets -o name"), _run("get all")),
    _on_widget("describe", "describe widget a", "describe widget nope"),
    case(
        "describe a ConfigMap", _run("create configmap c --from-literal=a=1", quiet=True), _run("describe configmap c")
    ),
    case(
        "describe a Secret", _run("create secret generic c --from-literal=a=1", quiet=True), _run("describe secret c")
    ),
    _on_widget(
        "patch",
        """patch widget a --type=merge -p '{"spec":{"color":"green"}}'""",
        """patch widget a --type=json -p '[{"op":"replace","path":"/spec/color","value":"red"}]'""",
        """patch widget a -p '{"spec":{"color":"green"}}'""",
        """patch widget a --type=merge -p '{"spec":{"color":"blue"}}'""",
        """patch widget a --type=merge -p '{"spec":{}}'""",
        """patch widget nope --type=merge -p '{}'""",
    ),
    _on_widget(
        "patch --subresource",
        """patch widget a --subresource=status --type=merge -p '{"status":{"phase":"A"}}'""",
        "get widget a",
    ),
    case(
        "patch a ConfigMap",
        _run("create configmap c --from-literal=a=1", quiet=True),
        _run("""patch configmap c -p '{"data":{"b":"2"}}'"""),
        _run("get configmap c -o jsonpath={.data}"),
    ),
    _on_widget(
        "label",
        "label widget a k=v",
        "label widget a k=w",
        "label --overwrite widget a k=w",
        "label widget a k-",
        "label widget a k=a/b",
    ),
    _on_widget("annotate", "annotate widget a k=v", "annotate widget a k-"),
    _on_widget("delete", "delete widget a", "delete widget a", "delete widget a --ignore-not-found"),
    _on_widget("delete by selector", "delete widgets -l x=y", "delete widgets --all", "get widgets"),
    _on_widget("delete in ways", "delete widget a --dry-run=server", "delete widget a --cascade=orphan --wait=false"),
    case("delete from standard input", _QUIET, _run("delete -f -", _WIDGET)),
    _on_widget(
        "wait",
        "wait --for=jsonpath={.spec.color}=red widget/a --timeout=5s",
        "wait --for=condition=Ready widget/a --timeout=0s",
        "delete widget a --wait=false",
        "wait --for=delete widget/a --timeout=5s",
        "wait --for=create widget/a --timeout=0s",
    ),
    case(
        "wait for a condition of a CRD",
        _run("wait --for=condition=Established crd/widgets.conformance.example.com --timeout=5s"),
    ),
    case(
        "explain",
        _run("explain widget"),
        _run("explain widget.spec.message"),
        _run("explain widget.spec"),
        _run("explain widget.spec.nope"),
        _run("explain widget --recursive"),
        _run("explain configmap.data"),
    ),
    case(
        "api-resources",
        _run("api-resources --api-group=conformance.example.com"),
        _run("api-resources --api-group=conformance.example.com -o wide"),
        _run("api-resources --api-group=coordination.k8s.io --no-headers -o name"),
    ),
    case("auth can-i", _run("auth can-i create widgets"), _run("auth can-i '*' '*'")),
    case(
        "create token",
        _run("create serviceaccount s", quiet=True),
        _run("create token s", quiet=True),
        _run("create token nope"),
    ),
    case(
        "set data",
        _run("create configmap c --from-literal=a=1", quiet=True),
        _run("get configmap c --output=jsonpath={.data.a}"),
    ),
    _on_widget("events", "events --for widget/a", "get events"),
    case("a namespace that does not exist", _run("get widgets -n nope"), _run("create -n nope -f -", _WIDGET)),
    case("scale of a kind without it", _QUIET, _run("scale widget a --replicas=2")),
    case("cluster-info", _run("cluster-info")),
    case(
        "options that the server refuses",
        _run("get widgets -l a=-"),
        _run("apply --server-side --field-manager= -f -", _WIDGET),
    ),
]
