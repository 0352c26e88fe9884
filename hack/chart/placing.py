"""Where the values of the chart stand in the objects of config/, and on which of them an object depends.

Each function takes an object as kustomize gives it and returns it with the marks of expressions in it. `$` is the root
of the chart everywhere, so that an object may stand in a loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from hack.chart.drafts import Drafts, Object, for_each, only_if

NAMESPACE = "kubechain-system"
POD = ".spec.template.spec"
CLUSTER_WIDE = "not $.Values.namespaced"

CONDITIONS = {
    "CustomResourceDefinition": "$.Values.crds.install",
    "ServiceAccount": "$.Values.serviceAccount.create",
    "ValidatingAdmissionPolicy": f"and $.Values.admission.enabled ({CLUSTER_WIDE})",
    "ValidatingAdmissionPolicyBinding": f"and $.Values.admission.enabled ({CLUSTER_WIDE})",
    "MutatingAdmissionPolicy": f"and $.Values.admission.enabled $.Values.admission.stamps ({CLUSTER_WIDE})",
    "MutatingAdmissionPolicyBinding": f"and $.Values.admission.enabled $.Values.admission.stamps ({CLUSTER_WIDE})",
    "FlowSchema": f"and $.Values.flowSchema.enabled ({CLUSTER_WIDE})",
    "PodDisruptionBudget": "$.Values.podDisruptionBudget.enabled",
    "NetworkPolicy": "$.Values.networkPolicy.enabled",
    "Service": "$.Values.metrics.enabled",
    "ClusterRole": f"and $.Values.rbac.peopleRoles ({CLUSTER_WIDE})",
    "Role": None,
    "RoleBinding": None,
    "Deployment": None,
}
"""The value that an object of a kind depends on; None where the chart always has it. A missing kind is an error."""

SECURED = "and $.Values.metrics.enabled $.Values.metrics.secure"
OWN_CONDITIONS = {
    "kubechain-policy-reader": "and $.Values.namespaced $.Values.admission.reader",
    "kubechain-metrics-auth-role": SECURED,
    "kubechain-metrics-auth-rolebinding": SECURED,
    "kubechain-metrics-reader": SECURED,
}
"""What single objects depend on, whatever the others of their kind do: rights that no Role can give."""

MANAGERS_RIGHTS = {
    "kubechain-manager-role": "true",
    "kubechain-manager-rolebinding": "true",
    "kubechain-isolation-role": 'has "--isolate-servers" $.Values.extraArgs',
    "kubechain-isolation-rolebinding": 'has "--isolate-servers" $.Values.extraArgs',
    "kubechain-secret-watch-role": "$.Values.rbac.watchSecrets",
    "kubechain-secret-watch-rolebinding": "$.Values.rbac.watchSecrets",
}
"""What the manager may do, and when: for the cluster, or in each of the namespaces in which it works."""

FILES = {
    "ServiceAccount": "rbac",
    "ClusterRole": "rbac",
    "ClusterRoleBinding": "rbac",
    "Role": "rbac",
    "RoleBinding": "rbac",
    "ValidatingAdmissionPolicy": "admission",
    "ValidatingAdmissionPolicyBinding": "admission",
    "MutatingAdmissionPolicy": "admission-stamps",
    "MutatingAdmissionPolicyBinding": "admission-stamps",
}
"""The template that has the objects of a kind; others have one of their own, named after the kind."""


def templates(objects: Iterable[Object]) -> dict[str, str]:
    """Return the text of each template by its path in the folder of templates."""
    given = list(objects)
    drafts = Drafts()
    names = {one["metadata"]["name"] for one in given if one["kind"] not in ("CustomResourceDefinition", "Namespace")}
    texts: dict[str, str] = {}
    for one in given:
        if one["kind"] == "Namespace":  # `helm install --create-namespace` makes it
            continue
        path = file_of(one)
        texts[path] = texts.get(path, "") + template(drafts, one, names)
    return texts


def file_of(one: Object) -> str:
    """Return the path of the template that has an object."""
    if one["kind"] == "CustomResourceDefinition":
        return f"crds/{one['spec']['names']['plural']}.yaml"
    return f"{FILES.get(one['kind'], one['kind'].lower())}.yaml"


def template(drafts: Drafts, one: Object, names: set[str]) -> str:
    """Return the text of one object, with its condition."""
    kind, name = one["kind"], one["metadata"]["name"]
    if name in MANAGERS_RIGHTS:
        return rights(drafts, placed(drafts, one, names), MANAGERS_RIGHTS[name])
    condition = OWN_CONDITIONS[name] if name in OWN_CONDITIONS else CONDITIONS[kind]
    return only_if(condition, drafts.text(placed(drafts, one, names)))


def rights(drafts: Drafts, one: Object, condition: str) -> str:
    """Return rights for the cluster, and for each namespace where the manager works in some only."""
    inside = {**one, "metadata": {**one["metadata"], "namespace": drafts.value(". | quote")}}
    inside["kind"] = one["kind"].removeprefix("Cluster")
    if "roleRef" in one:
        inside["roleRef"] = {**one["roleRef"], "kind": "Role"}
    given = 'include "kubechain.scopedNamespaces" $ | fromJsonArray'
    if condition == "true":
        return only_if(CLUSTER_WIDE, drafts.text(one)) + for_each(given, drafts.text(inside))
    everywhere = only_if(f"and ({CLUSTER_WIDE}) ({condition})", drafts.text(one))
    return everywhere + for_each(f"ternary ({given}) list ({condition})", drafts.text(inside))


def placed(drafts: Drafts, one: Object, names: set[str]) -> Object:
    """Return an object with the names of the release, the labels of the chart, and the values of its kind."""
    made: Object = named(drafts, one, names)
    metadata = made["metadata"]
    metadata.get("labels", {}).pop("app.kubernetes.io/part-of", None)
    made["metadata"] = {**metadata, "labels": with_lines(drafts, metadata.get("labels", {}), "kubechain.labels", 4)}
    place = {
        "CustomResourceDefinition": definition,
        "Deployment": deployment,
        "NetworkPolicy": network_policy,
        "PodDisruptionBudget": budget,
        "Service": service,
        "ServiceAccount": account,
    }.get(made["kind"])
    if place is not None:
        place(drafts, made)
    return made


def named(drafts: Drafts, given: Any, names: set[str]) -> Any:
    """Return the same with the names and the namespace of the release."""
    if isinstance(given, dict):
        return {key: named(drafts, value, names) for key, value in cast(Object, given).items()}
    if isinstance(given, list):
        return [named(drafts, value, names) for value in cast("list[Any]", given)]
    if given == NAMESPACE:
        return drafts.value("$.Release.Namespace | quote")
    if given == "kubechain-manager":
        return drafts.value('include "kubechain.serviceAccountName" $ | quote')
    if given in names:
        return drafts.value('include "kubechain.fullname" $') + given.removeprefix("kubechain")
    return given


def with_lines(drafts: Drafts, given: Object, template: str, indent: int) -> Object:
    """Return a map with the lines of a named template in it."""
    return {**given, drafts.lines(f'{{{{- include "{template}" $ | nindent {indent} }}}}'): None}


def selector(drafts: Drafts, indent: int) -> str:
    """Return what stands for the labels by which the manager's Pods are found."""
    return drafts.block('include "kubechain.selectorLabels" $', indent=indent)


def definition(drafts: Drafts, made: Object) -> None:
    """A definition outlives the release where the values say so, and with it every object of its kind."""
    keep = drafts.lines("{{- if $.Values.crds.keep }}", "annotations:", "  helm.sh/resource-policy: keep", "{{- end }}")
    made["metadata"] = {**made["metadata"], keep: None}


def account(drafts: Drafts, made: Object) -> None:
    """Annotations give the manager an identity at a cloud."""
    made["metadata"] |= optional(drafts, "annotations", "$.Values.serviceAccount.annotations", 4)


def service(drafts: Drafts, made: Object) -> None:
    """The Service of the metrics."""
    made["spec"]["selector"] = selector(drafts, 4)
    [port] = made["spec"]["ports"]
    port["port"] = drafts.value("$.Values.metrics.port")
    port[drafts.lines("{{- if $.Values.metrics.secure }}", "appProtocol: https", "{{- end }}")] = None


def budget(drafts: Drafts, made: Object) -> None:
    """How many replicas a drain may take."""
    made["spec"]["maxUnavailable"] = drafts.value("$.Values.podDisruptionBudget.maxUnavailable")
    made["spec"]["selector"]["matchLabels"] = selector(drafts, 6)


def network_policy(drafts: Drafts, made: Object) -> None:
    """Who may reach the metrics, and what else may be reached."""
    made["spec"]["podSelector"]["matchLabels"] = selector(drafts, 6)
    [metrics] = made["spec"]["ingress"]
    metrics |= optional(drafts, "from", "$.Values.networkPolicy.metricsFrom", 6)
    made["spec"]["ingress"] = [metrics, drafts.lines(*block("$.Values.networkPolicy.extraIngress", 2))]


def deployment(drafts: Drafts, made: Object) -> None:
    """The manager itself."""
    spec = made["spec"]
    spec["replicas"] = drafts.value("$.Values.replicas")
    spec["selector"]["matchLabels"] = selector(drafts, 6)
    metadata = spec["template"]["metadata"]
    metadata["labels"] = {
        drafts.lines('{{- include "kubechain.selectorLabels" $ | nindent 8 }}'): None,
        drafts.lines(*block("$.Values.podLabels", 8)): None,
    }
    metadata["annotations"] = {**metadata["annotations"], drafts.lines(*block("$.Values.podAnnotations", 8)): None}
    pod = spec["template"]["spec"]
    [container] = pod["containers"]
    manager(drafts, container)
    pod["volumes"] = [*pod["volumes"], drafts.lines(*block("$.Values.volumes", 6))]
    for key in ("imagePullSecrets", "nodeSelector", "tolerations", "affinity", "topologySpreadConstraints"):
        pod |= optional(drafts, key, f"$.Values.{key}", 8)
    pod |= optional(drafts, "priorityClassName", "$.Values.priorityClassName", None)
    spec["template"]["spec"] = pod


def manager(drafts: Drafts, container: Object) -> None:
    """The container of the manager."""
    container["image"] = drafts.value('include "kubechain.image" $ | quote')
    container["imagePullPolicy"] = drafts.value("$.Values.image.pullPolicy")
    container["args"] = [
        *(argument for argument in container["args"] if not argument.startswith("--metrics-bind-address=")),
        drafts.lines('- --metrics-bind-address={{ ternary ":8080" "0" $.Values.metrics.enabled }}'),
        drafts.lines(
            "{{- if $.Values.metrics.secure }}",
            "- --metrics-secure",
            "{{- end }}",
            "{{- if $.Values.namespaced }}",
            '- --namespaces={{ join "," $.Values.namespaces | default "$(POD_NAMESPACE)" }}',
            "{{- end }}",
            "{{- range $.Values.extraArgs }}",
            "- {{ . | quote }}",
            "{{- end }}",
        ),
    ]
    container["env"] = [*container["env"], drafts.lines(*block("$.Values.env", 8))]
    container["resources"] = drafts.block("toYaml $.Values.resources", indent=10)
    container["volumeMounts"] = [*container["volumeMounts"], drafts.lines(*block("$.Values.volumeMounts", 8))]


def optional(drafts: Drafts, key: str, value: str, indent: int | None) -> Object:
    """Return a key that stands only where its value is not empty.

    Args:
        drafts: Where the expressions are kept.
        key: Its name.
        value: The expression of its value.
        indent: Of the lines of a map or list; None for a scalar.
    """
    text = f"{key}: {{{{ . | quote }}}}" if indent is None else f"{key}: {{{{- toYaml . | nindent {indent} }}}}"
    return {drafts.lines(f"{{{{- with {value} }}}}", text, "{{- end }}"): None}


def block(value: str, indent: int) -> tuple[str, ...]:
    """Return lines that add the entries of a map or list that may be empty."""
    return f"{{{{- with {value} }}}}", f"{{{{- toYaml . | nindent {indent} }}}}", "{{- end }}"
