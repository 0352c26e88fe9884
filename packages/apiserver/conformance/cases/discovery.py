"""Discovery, plain and aggregated; OpenAPI; health and version."""

from __future__ import annotations

from packages.apiserver.conformance.cases.kinds import API, GROUP, SECRETS, WIDGETS
from packages.apiserver.conformance.steps import Request, case, delete, get, post

_AGGREGATED = {"accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"}
_NOBODY = {"authorization": ""}
_SERVED = ("configmaps", "events", "namespaces", "secrets", "serviceaccounts", "pods")

CASES = [
    case("the group of a CRD", get(f"/apis/{GROUP}")),
    case("the resources of a CRD's group", get(API)),
    case("the resources of an older version", get(API.replace("v1", "v1beta1"))),
    case(
        "a group that does not exist",
        get("/apis/nope.example.com"),
        get("/apis/nope.example.com/v1"),
        get(f"/apis/{GROUP}/v9"),
    ),
    case("the group among all groups", get("/apis", pick=("groups", f"name={GROUP}"))),
    case("the versions of the core group", get("/api"), mask=r"^127\.0\.0\.1(:\d+)?$"),
    *[
        case(f"core: {name}", get("/api/v1", pick=("resources", f"name={name}")))
        for name in (*_SERVED, "namespaces/status", "namespaces/finalize", "serviceaccounts/token")
    ],
    case("coordination: leases", get("/apis/coordination.k8s.io/v1", pick=("resources", "name=leases"))),
    case("events: events", get("/apis/events.k8s.io/v1", pick=("resources", "name=events"))),
    case("apiextensions: resources", get("/apis/apiextensions.k8s.io/v1")),
    case("aggregated: a CRD's group", get("/apis", headers=_AGGREGATED, pick=("items", f"metadata/name={GROUP}"))),
    case(
        "aggregated: apiextensions",
        get("/apis", headers=_AGGREGATED, pick=("items", "metadata/name=apiextensions.k8s.io")),
    ),
    *[
        case(
            f"aggregated: core: {name}",
            get("/api", headers=_AGGREGATED, pick=("items", "0", "versions", "0", "resources", f"resource={name}")),
        )
        for name in _SERVED
    ],
    case("aggregated: the document's kind", get("/api", headers=_AGGREGATED, pick=("kind",))),
    case(
        "OpenAPI v3: the index has the group",
        get("/openapi/v3", pick=("paths", f"apis/{GROUP}/v1")),
        mask=r"hash=[0-9A-F]+",
    ),
    *[
        case(
            f"OpenAPI v3: schema {name}",
            get(f"/openapi/v3/apis/{GROUP}/v1", pick=("components", "schemas", f"com.example.conformance.v1.{name}")),
        )
        for name in ("Widget", "WidgetList", "Gadget")
    ],
    *[
        case(f"OpenAPI v3: path {path}", get(f"/openapi/v3/apis/{GROUP}/v1", pick=("paths", path)))
        for path in (
            f"{API}/",
            f"{API}/widgets",
            f"{API}/namespaces/{{namespace}}/widgets",
            f"{API}/namespaces/{{namespace}}/widgets/{{name}}",
            f"{API}/namespaces/{{namespace}}/widgets/{{name}}/status",
        )
    ],
    *[
        case(
            f"OpenAPI v3: core schema {name}",
            get("/openapi/v3/api/v1", pick=("components", "schemas", f"io.k8s.{name}")),
        )
        for name in (
            "api.core.v1.ConfigMap",
            "api.core.v1.Secret",
            "apimachinery.pkg.apis.meta.v1.ObjectMeta",
            "apimachinery.pkg.apis.meta.v1.Status",
        )
    ],
    case("OpenAPI v3: a group that does not exist", get("/openapi/v3/apis/nope/v1")),
    case(
        "OpenAPI v3: path of a built-in kind",
        get("/openapi/v3/api/v1", pick=("paths", "/api/v1/namespaces/{namespace}/configmaps")),
    ),
    *[
        case(
            f"OpenAPI v2: definition {name}",
            get("/openapi/v2", pick=("definitions", f"com.example.conformance.v1.{name}")),
        )
        for name in ("Widget", "WidgetList")
    ],
    case("OpenAPI v2: a path", get("/openapi/v2", pick=("paths", f"{API}/namespaces/{{namespace}}/widgets"))),
    case(
        "OpenAPI v2: definition of a ConfigMap",
        get("/openapi/v2", pick=("definitions", "io.k8s.api.core.v1.ConfigMap")),
    ),
    case("health", get("/healthz"), get("/livez"), get("/readyz")),
    case("the version", get("/version", pick=("major",)), get("/version", pick=("minor",))),
    case("a path that does not exist", get("/nope"), get("/api/v1/nope"), get("/apis/nope")),
    case("without a token", get(API, headers=_NOBODY)),
    case(
        "without a token: paths",
        get("/", headers=_NOBODY),
        get("/apis", headers=_NOBODY),
        get("/openapi/v2", headers=_NOBODY),
        get("/livez/ping", headers=_NOBODY),
        get("/nope", headers=_NOBODY),
        Request("POST", "/healthz", headers=_NOBODY),
    ),
    case(
        "without a token: health and version",
        get("/healthz", headers=_NOBODY),
        get("/readyz", headers=_NOBODY),
        get("/version", headers=_NOBODY, pick=("major",)),
    ),
    case(
        "without a token: objects",
        get("/api/v1/namespaces/$ns", headers=_NOBODY),
        get(f"{SECRETS}/s", headers=_NOBODY),
        get(f"{WIDGETS}/w/status", headers=_NOBODY),
        get("/api/v1/secrets?watch=1", headers=_NOBODY),
        get("/apis/nope.example.com/v1/things", headers=_NOBODY),
        post(SECRETS, {"metadata": {"name": "s"}}, headers=_NOBODY),
        delete(WIDGETS, headers=_NOBODY),
    ),
    case("with another kind of credentials", get(API, headers={"authorization": "Basic YTpi"})),
    case("with a wrong token", get(API, headers={"authorization": "Bearer nope"})),
]
