"""The Security Token Service of AWS on loopback: it gives keys for a role to who shows a token of the cluster.

It checks what the real one checks: the request has no signature, the token is signed by the cluster's issuer, is meant
for STS, is that of the service account that the role trusts, and has not ended.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.sax.saxutils import escape

import jwt
from aiohttp import web

from test.llm.cloud.endpoints import a_key

ISSUER = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
SUBJECT = "system:serviceaccount:kubechain-system:kubechain"
AUDIENCE = "sts.amazonaws.com"
ROLE = "arn:aws:iam::123456789012:role/kubechain"
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}")


def a_cluster_token(*, key: str = "cluster", lifetime_seconds: int = 86_400, **claims: Any) -> str:
    """What the kubelet projects into the pod."""
    now = int(datetime.now(UTC).timestamp())
    said = {"iss": ISSUER, "sub": SUBJECT, "aud": [AUDIENCE], "iat": now, "exp": now + lifetime_seconds, **claims}
    return jwt.encode(said, a_key(key), "RS256")


@dataclass(slots=True)
class Sts:
    """What the double expects and has seen.

    Attributes:
        lifetime_seconds: Of the keys that it gives.
        refusal: Status and code of the answer instead of keys; None for keys.
        is_silent: It takes requests, and never answers.
        tokens: Each token that was shown and taken.
        asked: How often it was asked.
    """

    lifetime_seconds: float = 3600.0
    refusal: tuple[int, str] | None = None
    is_silent: bool = False
    tokens: list[str] = field(default_factory=list[str])
    asked: int = 0

    @property
    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/", self.assume)
        return app

    async def assume(self, request: web.Request) -> web.Response:
        self.asked += 1
        form = await request.post()
        token = str(form["WebIdentityToken"])
        assert (form["Action"], form["Version"]) == ("AssumeRoleWithWebIdentity", "2011-06-15")
        assert "authorization" not in request.headers
        assert _SESSION_NAME.fullmatch(str(form["RoleSessionName"]))
        if self.is_silent:
            await asyncio.get_running_loop().create_future()
        if self.refusal:
            return refused(*self.refusal, f"refused: {token}")
        if form["RoleArn"] != ROLE:
            return refused(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        return self._judge(token)

    def _judge(self, token: str) -> web.Response:
        try:
            claims: dict[str, Any] = jwt.decode(
                token, a_key("cluster").public_key(), ["RS256"], audience=AUDIENCE, issuer=ISSUER
            )
        except jwt.ExpiredSignatureError:
            return refused(400, "ExpiredTokenException", f"Token expired: {token}")
        except jwt.PyJWTError as error:
            return refused(400, "InvalidIdentityToken", f"{type(error).__name__}: {token}")
        if claims["sub"] != SUBJECT:
            return refused(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        self.tokens.append(token)
        return self._keys(len(self.tokens))

    def _keys(self, number: int) -> web.Response:
        ends = (datetime.now(UTC) + timedelta(seconds=self.lifetime_seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        given = {
            "AccessKeyId": f"ASIAEXAMPLE{number}",
            "SecretAccessKey": secret_key(number),
            "SessionToken": session_token(number),
            "Expiration": ends,
        }
        keys = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in given.items())
        user = "<AssumedRoleId>AROA:s</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/kubechain/s</Arn>"
        return answered(
            200,
            "AssumeRoleWithWebIdentity",
            f"<AssumeRoleWithWebIdentityResult><Credentials>{keys}</Credentials>"
            f"<AssumedRoleUser>{user}</AssumedRoleUser></AssumeRoleWithWebIdentityResult>",
        )


def secret_key(number: int) -> str:
    return f"secret/of+the-role-{number}"


def session_token(number: int) -> str:
    return f"session-token-{number}/+=="


def refused(status: int, code: str, text: str) -> web.Response:
    fault = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(text)}</Message></Error>"
    return answered(status, "Error", fault)


def answered(status: int, what: str, body: str) -> web.Response:
    name = f"{what}Response"
    xml = f'<{name} xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{body}<RequestId>1</RequestId></{name}>'
    return web.Response(status=status, text=xml, content_type="text/xml")
