"""Token endpoints and a model server on loopback, which check what they get as the real ones do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kubechain.llm.cloud.google import SCOPE

EMAIL = "runner@moonville.iam.gserviceaccount.com"
FEDERATED = "projected-token-of-the-pod-1"


@lru_cache
def a_key(name: str) -> rsa.RSAPrivateKey:
    """A key for each name, made once: it takes a tenth of a second."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, no_password).decode()


def a_service_account(token_uri: str, *, email: str = EMAIL, key: str = "first") -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": "moonville",
        "private_key_id": f"key-{key}",
        "private_key": pem(a_key(key)),
        "client_email": email,
        "token_uri": token_uri,
    }


@dataclass(slots=True)
class Clouds:
    """What the doubles expect and have seen.

    Attributes:
        lifetime: Of the tokens that are given, in seconds.
        refusal: What a token endpoint answers instead; None for tokens.
        grants: Each token that was given, with who asked.
        calls: The credentials of each model call: the authorization header.
        valid: Tokens that the model server takes; all that were given, if None.
    """

    url: str = ""
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=lambda: {EMAIL: a_key("first")})
    lifetime: int = 3600
    refusal: Callable[[], web.Response] | None = None
    grants: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    calls: list[str] = field(default_factory=list[str])
    paths: list[str] = field(default_factory=list[str])
    revoked: set[str] = field(default_factory=set[str])
    federated: str = FEDERATED
    check_call: Callable[[web.Request, bytes], bool] | None = None

    @property
    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/token", self.service_account)
        app.router.add_post("/sts", self.exchange)
        app.router.add_post("/impersonate", self.impersonate)
        app.router.add_post("/{tenant}/oauth2/v2.0/token", self.entra)
        app.router.add_route("*", "/{rest:.*}", self.model)
        return app

    def token_for(self, who: str) -> web.Response:
        if self.refusal:
            return self.refusal()
        token = f"token-{len(self.grants)}-{who[:12]}"
        self.grants.append((who, token))
        return web.json_response({"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"})

    async def service_account(self, request: web.Request) -> web.Response:
        """As Google's: signature, audience, times and scope of the assertion are checked."""
        form = await request.post()
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        text = str(form["assertion"])
        issuer = str(jwt.decode(text, options={"verify_signature": False})["iss"])
        required = ["iss", "aud", "iat", "exp"]
        try:
            key = self.keys[issuer].public_key()
            claims: dict[str, Any] = jwt.decode(
                text, key, ["RS256"], audience=f"{self.url}/token", options={"require": required}
            )
        except jwt.PyJWTError as error:
            return refused(f"Invalid JWT: {type(error).__name__}: {text}")
        if claims["exp"] - claims["iat"] > 3600 or claims["scope"] != SCOPE:
            return refused("Invalid JWT: too long, or of another scope")
        return self.token_for(issuer)

    async def exchange(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
        assert (form["scope"], form["audience"]) == (SCOPE, "//iam.googleapis.com/pool")
        return self.token_for("pod") if form["subject_token"] == self.federated else refused("subject_token")

    async def impersonate(self, request: web.Request) -> web.Response:
        given = [token for _, token in self.grants]
        assert request.headers["authorization"].removeprefix("Bearer ") in given
        assert (await request.json())["scope"] == [SCOPE]
        self.grants.append(("impersonated", "token-of-the-account"))
        return web.json_response({"accessToken": "token-of-the-account", "expireTime": "2126-11-22T13:00:00Z"})

    async def entra(self, request: web.Request) -> web.Response:
        form = await request.post()
        client = f"{request.match_info['tenant']}/{form['client_id']}"
        assert form["grant_type"] == "client_credentials"
        assert form["scope"] == "https://cognitiveservices.azure.com/.default"
        if "client_assertion" in form:
            assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            return self.token_for(client) if form["client_assertion"] == self.federated else refused("assertion")
        if form["client_secret"] != "secret-of-the-client":
            return refused(f"AADSTS7000215: Invalid client secret: {form['client_secret']}. Trace ID: 17 Timestamp: 9")
        return self.token_for(client)

    async def model(self, request: web.Request) -> web.Response:
        self.calls.append(request.headers.get("authorization", ""))
        self.paths.append(request.path)
        body = await request.read()
        token = self.calls[-1].removeprefix("Bearer ")
        good = token in {given for _, given in self.grants} - self.revoked
        if not (self.check_call(request, body) if self.check_call else good):
            return web.json_response({"error": {"message": f"no such token: {token}", "code": "401"}}, status=401)
        message = {"role": "assistant", "content": "Moonville"}
        return web.json_response({"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]})


def refused(text: str) -> web.Response:
    body = {"error": "invalid_grant", "error_description": text}
    return web.Response(status=400, body=json.dumps(body), content_type="application/json")
