"""Authentication: the administrator's bearer token, and tokens issued to service accounts.

The token is kept in a file of mode 0600, so a kubeconfig stays valid over restarts. Authorization is in
`requests.authorization`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

ISSUER: Final = "https://kubernetes.default.svc"
"""Issuer and default audience of service account tokens, as in a cluster."""

_ALGORITHM: Final = "HS256"
_TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated user."""

    name: str
    groups: tuple[str, ...]


ADMINISTRATOR: Final = User("kubernetes-admin", ("system:masters", "system:authenticated"))
"""The administrator of the embedded control plane."""

ANONYMOUS: Final = User("system:anonymous", ("system:unauthenticated",))


def new_token() -> str:
    """Return a new random bearer token."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


class Tokens:
    """Checks tokens, and issues those of service accounts, whose key is derived from the administrator's token."""

    def __init__(self, admin_token: str, *, issuer: str = ISSUER) -> None:
        self.issuer = issuer
        self._admin = admin_token.encode()
        self._key = hmac.digest(self._admin, b"kubechain service account tokens", hashlib.sha256)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def authenticate(self, authorization: str) -> User | None:
        """Return the user of an Authorization header: anonymous without a token, None for a wrong one."""
        scheme, _, token = authorization.strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return ANONYMOUS
        if hmac.compare_digest(token.encode(), self._admin):
            return ADMINISTRATOR
        return self._service_account(token)

    def issue(self, namespace: str, name: str, *, uid: str, now: float, expires: float) -> str:
        """Return a token for a service account, valid until `expires` (seconds since the epoch)."""
        claims = {
            "aud": [self.issuer],
            "iss": self.issuer,
            "iat": int(now),
            "nbf": int(now),
            "exp": int(expires),
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
        }
        import jwt  # slow to import, and most runs never see such a token

        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def _service_account(self, token: str) -> User | None:
        import jwt

        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM], audience=self.issuer, issuer=self.issuer)
        except jwt.InvalidTokenError:
            return None
        subject = str(claims["sub"])
        namespace = subject.split(":")[2]
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return User(subject, groups)
