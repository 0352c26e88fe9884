"""What is refused, and in which words."""

from __future__ import annotations

from typing import Any

from packages.apiserver.conformance.cases.kinds import (
    CONFIG_MAPS,
    CORE,
    GROUP,
    LEASES,
    SECRETS,
    WIDGETS,
    config_map,
    widget,
)
from packages.apiserver.conformance.steps import MERGE, Case, Json, case, edited, patch, post, put


def _spec(name: str, /, **spec: Json) -> Case:
    return case(f"spec: {name}", post(WIDGETS, widget("a", {"message": "hi", **spec})))


def _metadata(name: str, /, **metadata: Json) -> Case:
    return case(f"metadata: {name}", post(WIDGETS, widget("a", **metadata)))


def _whole(name: str, body: Any, path: str = WIDGETS) -> Case:
    return case(name, post(path, body))


_OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}

CASES = [
    _whole("spec: a required field is missing", widget("a", {})),
    _whole("spec: it is a text", {**widget("a"), "spec": "x"}),
    _whole("spec: it is a list", {**widget("a"), "spec": []}),
    _whole("spec: it is null", {**widget("a"), "spec": None}),
    _spec("too short", message=""),
    _spec("too long", message="x" * 21),
    _spec("length counts characters", message="ä" * 20),
    _spec("a number for a text", message=5),
    _spec("a boolean for a text", message=True),
    _spec("an object for a text", message={"x": 1}),
    _spec("null for a text", message=None),
    _spec("null where it is allowed", maybe=None),
    _spec("null for a field with a default", color=None),
    _spec("a value that is not in the list", color="blue"),
    _spec("a value of the wrong type that is not in the list", color=5),
    _spec("two errors", message=5, color="blue"),
    _spec("below the minimum", hi=1),
    _spec("above the maximum", hi=11),
    _spec("a fraction for an integer", hi=2.5),
    _spec("a whole number with a point for an integer", hi=3.0),
    _spec("more than 32 bits", hi=3_000_000_000),
    _spec("more than 64 bits", lo=12345678901234567890),
    _spec("a text for an integer", hi="3"),
    _spec("not above an exclusive minimum", ratio=0),
    _spec("an integer for a number", ratio=1),
    _spec("no match of a pattern", code="x"),
    _spec("twice in a set", tags=["a", "b", "a"]),
    _spec("a key twice in a list with keys", ports=[{"name": "a"}, {"name": "a"}]),
    _spec("a key is missing in a list with keys", ports=[{"port": 1}]),
    _spec("too many items", ports=[{"name": "a"}, {"name": "b"}, {"name": "c"}]),
    _spec("too few items", plain=[]),
    _spec("an item of the wrong type", plain=[1, "x"]),
    _spec("an object for a list", tags={}),
    _spec("a date that is none", when="yesterday"),
    _spec("a date", when="2020-01-01T00:00:00Z"),
    _spec("integer or text: a boolean", either=True),
    _spec("integer or text: a text", either="5%"),
    _spec("a value of a map of the wrong type", counts={"k": "v"}),
    _spec("none of the alternatives", one={}),
    _spec("both alternatives", one={"x": "1", "y": "2"}),
    _spec("a rule", a="1", b="2"),
    _spec("a rule with a message of its own", lo=7, hi=6),
    _spec("a rule and a list", a="1", b="2", color="blue"),
    _spec("two rules", a="1", b="2", lo=7),
    _spec("a rule and a length", message="", a="1", b="2"),
    case(
        "spec: a rule about the change",
        post(WIDGETS, widget("a"), quiet=True),
        patch(f"{WIDGETS}/a", MERGE, {"spec": {"message": "other"}}),
    ),
    case(
        "spec: what was never valid may stay as it is",
        post(WIDGETS, widget("a"), save="a", quiet=True),
        put(f"{WIDGETS}/a", edited("a", metadata={"labels": {"x": "y"}})),
    ),
    _whole("metadata: no name", {**widget("a"), "metadata": {}}),
    _whole("metadata: none", {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "spec": {"message": "x"}}),
    _whole("metadata: it is a text", {**widget("a"), "metadata": "x"}),
    _whole("metadata: the name is a number", {**widget("a"), "metadata": {"name": 5}}),
    _whole("metadata: a name with capitals", widget("A_b")),
    _whole("metadata: a name with a slash", widget("a/b")),
    _whole("metadata: the name ..", widget("..")),
    _whole("metadata: a name of 253 characters", widget("a" * 253)),
    _whole("metadata: a name of 254 characters", widget("a" * 254)),
    _metadata("a label's key with two slashes", labels={"a/b/c": "x"}),
    _metadata("a label's key with a bad prefix", labels={"A_/b": "x"}),
    _metadata("an empty label's key", labels={"": "x"}),
    _metadata("a label's value with a dash in front", labels={"ok": "-x"}),
    _metadata("a label that is too long", labels={"a" * 64: "v" * 64}),
    _metadata("a label's value is a number", labels={"x": 5}),
    _metadata("labels as a list", labels=[]),
    _metadata("labels null", labels=None),
    _metadata("an annotation's key", annotations={"a b": "x"}),
    _metadata("annotations of 300 kB", annotations={"a": "x" * 300_000}),
    _metadata("a finalizer without a domain", finalizers=["nodomain"]),
    _metadata("a finalizer with a space", finalizers=["bad name"]),
    _metadata("an unknown field", zzz=1),
    _metadata("an owner without a uid", ownerReferences=[{"apiVersion": "v1", "kind": "ConfigMap", "name": "x"}]),
    _metadata("an owner without anything", ownerReferences=[{}]),
    _metadata("an Event as owner", ownerReferences=[{**_OWNER, "kind": "Event"}]),
    _metadata(
        "two controllers", ownerReferences=[{**_OWNER, "controller": True}, {**_OWNER, "uid": "2", "controller": True}]
    ),
    _metadata("an owner of a bad version", ownerReferences=[{**_OWNER, "apiVersion": "a/b/c"}]),
    _whole("another kind", {**widget("a"), "kind": "Foo"}),
    _whole("another version", {**widget("a"), "apiVersion": f"{GROUP}/v2"}),
    _whole("another group", {**widget("a"), "apiVersion": "x/v1"}),
    _whole("no kind", b'{"metadata":{"name":"nk"},"spec":{"message":"x"}}'),
    _whole("no version", b'{"kind":"Widget","metadata":{"name":"nk"},"spec":{"message":"x"}}'),
    _whole("body: not JSON", b"{nope"),
    _whole("body: half of it", b'{"apiVersion":"v1"'),
    _whole("body: an array", [1]),
    _whole("body: a number", 5),
    _whole("body: empty", b""),
    _whole(
        "body: text after the object",
        b'{"apiVersion":"conformance.example.com/v1","kind":"Widget","metadata":{"name":"x"},"spec":{"message":"x"}} x',
    ),
    _whole("body of a ConfigMap: not JSON", b"{nope", CONFIG_MAPS),
    _whole("body of a ConfigMap: an array", [1], CONFIG_MAPS),
    _whole("body of a ConfigMap: empty", b"", CONFIG_MAPS),
    case(
        "body: YAML",
        post(
            WIDGETS,
            f"apiVersion: {GROUP}/v1\nkind: Widget\nmetadata: {{name: w}}\nspec: {{message: x}}\n".encode(),
            content_type="application/yaml",
        ),
    ),
    case(
        "body: a media type that is none",
        post(WIDGETS, widget("a"), content_type="text/plain"),
        post(CONFIG_MAPS, config_map("a"), content_type="text/plain"),
    ),
    _whole("Secret", {"metadata": {"name": "s"}, "stringData": {"a": "b"}, "data": {"c": "ZA=="}}, SECRETS),
    _whole("Secret: not base64", {"metadata": {"name": "s"}, "data": {"c": "%%"}}, SECRETS),
    _whole("Secret: a key with a space", {"metadata": {"name": "s"}, "data": {"c d": "ZA=="}}, SECRETS),
    _whole("Secret: data as a text", {"metadata": {"name": "s"}, "data": "x"}, SECRETS),
    _whole("Secret: a number in plain text", {"metadata": {"name": "s"}, "stringData": {"a": 5}}, SECRETS),
    _whole("Secret: of a type that demands keys", {"metadata": {"name": "s"}, "type": "kubernetes.io/tls"}, SECRETS),
    _whole(
        "Secret: of a docker type",
        {"metadata": {"name": "s"}, "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "x"}},
        SECRETS,
    ),
    _whole(
        "Secret: basic auth without a user",
        {"metadata": {"name": "s"}, "type": "kubernetes.io/basic-auth", "data": {}},
        SECRETS,
    ),
    _whole(
        "Secret: the body is of another kind",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}},
        SECRETS,
    ),
    _whole(
        "Secret: the body is of another version",
        {"apiVersion": "v2", "kind": "Secret", "metadata": {"name": "s"}},
        SECRETS,
    ),
    case(
        "Secret: the type cannot change",
        post(SECRETS, {"metadata": {"name": "s"}}, quiet=True),
        patch(f"{SECRETS}/s", MERGE, {"type": "x"}),
    ),
    case(
        "Secret: immutable",
        post(SECRETS, {"metadata": {"name": "s"}, "immutable": True}, quiet=True),
        patch(f"{SECRETS}/s", MERGE, {"stringData": {"a": "b"}}),
        patch(f"{SECRETS}/s", MERGE, {"immutable": False}),
    ),
    _whole("ConfigMap: a key with a space", config_map("a", {"a b": "c"}), CONFIG_MAPS),
    _whole("ConfigMap: a key in both", {**config_map("a"), "binaryData": {"a": "YQ=="}}, CONFIG_MAPS),
    _whole("ConfigMap: data null", {**config_map("a"), "data": None}, CONFIG_MAPS),
    _whole("ConfigMap: over one MiB", config_map("a", {"a": "x" * 1_100_000}), CONFIG_MAPS),
    case(
        "ConfigMap: immutable",
        post(CONFIG_MAPS, {**config_map("a"), "immutable": True}, quiet=True),
        patch(f"{CONFIG_MAPS}/a", MERGE, {"data": {"a": "2"}}),
    ),
    _whole("an object over what etcd takes", widget("a", {"message": "x", "free": {"a": "x" * 1_600_000}})),
    case("a body over three MiB", post(WIDGETS, widget("a", {"message": "x", "free": {"a": "x" * 3_200_000}}))),
    _whole("Namespace: a name with a dot", {"metadata": {"name": "A.b"}}, "/api/v1/namespaces"),
    _whole("Namespace: no name", {"metadata": {}}, "/api/v1/namespaces"),
    _whole(
        "Lease",
        {
            "metadata": {"name": "l"},
            "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2020-01-01T00:00:00.000000Z"},
        },
        LEASES,
    ),
    _whole("Lease: a duration of 0", {"metadata": {"name": "l"}, "spec": {"leaseDurationSeconds": 0}}, LEASES),
    _whole("Lease: negative transitions", {"metadata": {"name": "l"}, "spec": {"leaseTransitions": -1}}, LEASES),
    _whole("Lease: a time that is none", {"metadata": {"name": "l"}, "spec": {"renewTime": "x"}}, LEASES),
    *[
        _whole(f"ConfigMap: {name}", {**config_map("c"), **body}, CONFIG_MAPS)
        for name, body in (
            ("metadata that are a text", {"metadata": "x"}),
            ("a label that is a number", {"metadata": {"name": "c", "labels": {"a": 5}}}),
            ("a finalizer that is a number", {"metadata": {"name": "c", "finalizers": [5]}}),
            ("a name that is a number", {"metadata": {"name": 5}}),
            ("a text for a boolean", {"immutable": "x"}),
        )
    ],
    *[
        _whole(
            f"Secret: {name}",
            {"metadata": {"name": "s"}, "type": f"kubernetes.io/{type_}", "stringData": data},
            SECRETS,
        )
        for name, type_, data in (
            ("a docker type that is no object", "dockerconfigjson", {".dockerconfigjson": '"x"'}),
            ("a docker type that is right", "dockerconfigjson", {".dockerconfigjson": '{"auths":{}}'}),
            ("an old docker type that is wrong", "dockercfg", {".dockercfg": "{"}),
            ("basic auth with a password only", "basic-auth", {"password": "x"}),
            ("an empty key for SSH", "ssh-auth", {"ssh-privatekey": ""}),
        )
    ],
    _whole(
        "ServiceAccount: a text for a Secret", {"metadata": {"name": "s"}, "secrets": ["x"]}, f"{CORE}/serviceaccounts"
    ),
    _whole(
        "ServiceAccount: a number for a name",
        {"metadata": {"name": "s"}, "secrets": [{"name": 5}]},
        f"{CORE}/serviceaccounts",
    ),
    _whole("Event: a number for a kind", {"metadata": {"name": "e"}, "involvedObject": {"kind": 5}}, f"{CORE}/events"),
    _whole(
        "spec: numbers with a point",
        widget("a", {"message": "hi", "ratio": 2.0, "plain": [3.0], "free": {"x": 4.0, "y": 1.5}}),
    ),
    _whole(
        "spec: an integer with a point that no rule reads",
        widget("a", {"message": "hi", "ports": [{"name": "x", "port": 3.0}]}),
    ),
    _whole("an apiVersion that is a number", {**widget("a"), "apiVersion": 5}),
    _whole("a kind that is an object", {**widget("a"), "kind": {}}),
    _whole("a kind that is null", {**widget("a"), "kind": None}),
    _whole("an owner that is a text", widget("a", ownerReferences=["x"])),
    _whole("an owner with a number for a name", widget("a", ownerReferences=[{**_OWNER, "name": 5}])),
    _whole("an owner with a text for a boolean", widget("a", ownerReferences=[{**_OWNER, "controller": "x"}])),
    _whole("a generation that is a text", widget("a", generation="x")),
    _whole("a time of creation that is none", widget("a", creationTimestamp="x")),
    _whole("managedFields with a number for a manager", widget("a", managedFields=[{"manager": 5}])),
    _whole("ConfigMap: an apiVersion that is a number", {**config_map("c"), "apiVersion": 5}, CONFIG_MAPS),
    _whole("ConfigMap: a kind that is a list", {**config_map("c"), "kind": []}, CONFIG_MAPS),
    _whole(
        "ConfigMap: an owner with a number for a name",
        config_map("c", ownerReferences=[{**_OWNER, "name": 5}]),
        CONFIG_MAPS,
    ),
    _whole("ConfigMap: a generation that is a text", config_map("c", generation="x"), CONFIG_MAPS),
    case(
        "an update without a name",
        post(WIDGETS, widget("a"), save="a", quiet=True),
        put(f"{WIDGETS}/a", edited("a", metadata={"name": None})),
    ),
    case(
        "an update to another kind",
        post(WIDGETS, widget("a"), save="a", quiet=True),
        put(f"{WIDGETS}/a", edited("a", kind="Foo")),
    ),
    case(
        "an update to another version",
        post(WIDGETS, widget("a"), save="a", quiet=True),
        put(f"{WIDGETS}/a", edited("a", apiVersion=f"{GROUP}/v2")),
    ),
    _whole("Lease: a text for a number", {"metadata": {"name": "l"}, "spec": {"leaseDurationSeconds": "5"}}, LEASES),
    _whole("ServiceAccount", {"metadata": {"name": "s"}, "secrets": [{"name": "x"}]}, f"{CORE}/serviceaccounts"),
    case(
        "an option that does not exist",
        post(f"{WIDGETS}?fieldValidation=Foo", widget("a")),
        post(f"{WIDGETS}?dryRun=Foo", widget("a")),
        post(f"{WIDGETS}?fieldManager={'x' * 129}", widget("a")),
    ),
]
