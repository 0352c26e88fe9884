"""Signature Version 4 of AWS over one request. Pure.

The signature covers method, path, query, body, host, content type and the headers of AWS.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from kubechain.llm.exchange import HttpCall
from kubechain.llm.identity import AwsKeys, Signature

_ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"https": 443, "http": 80}


def signed(call: HttpCall, signature: Signature, keys: AwsKeys, now: datetime) -> HttpCall:
    """Return a request with its signature."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    own = {"x-amz-date": stamp}
    if keys.session_token:
        own["x-amz-security-token"] = keys.session_token.get_secret_value()
    covered = own | {"host": _host(urlsplit(call.url))}
    covered |= {name.lower(): value for name, value in call.headers.items() if name.lower() == "content-type"}
    scope = f"{stamp[:8]}/{signature.region}/{signature.service}/aws4_request"
    canonical = canonical_request(call, covered)
    to_sign = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    mac = _mac(_signing_key(keys, stamp[:8], signature), to_sign).hex()
    names = ";".join(sorted(covered))
    proof = f"{_ALGORITHM} Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, Signature={mac}"
    return replace(call, headers={**call.headers, **own, "authorization": proof})


def canonical_request(call: HttpCall, headers: Mapping[str, str]) -> str:
    """Return the text whose digest is signed.

    Args:
        headers: Those that the signature covers, by names in lower case.
    """
    parts = urlsplit(call.url)
    path = _path(parts.path)
    pairs = sorted((_quoted(name), _quoted(value)) for name, value in parse_qsl(parts.query, keep_blank_values=True))
    lines = (f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers))
    body = hashlib.sha256(call.body or b"").hexdigest()
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return "\n".join((call.method, path, query, "".join(lines), ";".join(sorted(headers)), body))


def _path(sent: str) -> str:
    """Return a path without empty segments, encoded once more than it is sent: so do all services but S3."""
    end = "/" if sent.endswith("/") and sent.strip("/") else ""
    return quote("/" + "/".join(segment for segment in sent.split("/") if segment) + end, safe="/~")


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")


def _host(parts: SplitResult) -> str:
    is_default = parts.port in (None, _DEFAULT_PORTS.get(parts.scheme))
    return (parts.netloc.rpartition(":")[0] if is_default and parts.port else parts.netloc).lower()


def _signing_key(keys: AwsKeys, day: str, signature: Signature) -> bytes:
    key = f"AWS4{keys.secret_access_key.get_secret_value()}".encode()
    for part in (day, signature.region, signature.service, "aws4_request"):
        key = _mac(key, part)
    return key


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
