"""Vertex AI with a model of Anthropic's, and the token endpoint of its project, as one server on loopback.

The token endpoint checks the assertion as Google's does; the model takes tokens of keys that are still valid.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from test.e2e.servers.loopback import LoopbackHandler, LoopbackServer

EMAIL = "runner@moonville.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@dataclass(slots=True)
class Vertex:
    """The server.

    Attributes:
        keys: The keys of the service account that are valid, by their ids.
        tokens: Each token that was given, with the id of the key that asked for it.
        used: The id of the key behind each model call that was answered.
        first_call: Set when the first model call has come.
        gate: The first model call is answered when it is set.
        text: The answer of the model.
    """

    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict[str, rsa.RSAPrivateKey])
    tokens: dict[str, str] = field(default_factory=dict[str, str])
    used: list[str] = field(default_factory=list[str])
    paths: list[str] = field(default_factory=list[str])
    first_call: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)
    text: str = "Moonville"
    _server: _Server | None = None

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        assert self._server is not None
        self._server.stop()

    @property
    def url(self) -> str:
        """The address of both."""
        assert self._server is not None
        return self._server.url

    def new_key(self, key_id: str) -> str:
        """Make the only valid key of the account, and return its file."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.keys = {key_id: key}
        form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, form, no_password).decode()
        fields = {"private_key_id": key_id, "private_key": pem, "client_email": EMAIL}
        return json.dumps({"type": "service_account", "token_uri": f"{self.url}/token", **fields})

    def token(self, assertion: str) -> tuple[int, dict[str, Any]]:
        """Answer a token endpoint's request."""
        key_id = jwt.get_unverified_header(assertion)["kid"]
        try:
            claims = jwt.decode(
                assertion, self.keys[key_id].public_key(), ["RS256"], audience=f"{self.url}/token", issuer=EMAIL
            )
        except (KeyError, jwt.PyJWTError) as error:
            return 400, {"error": "invalid_grant", "error_description": f"Invalid JWT: {type(error).__name__}"}
        if claims["scope"] != SCOPE:
            return 400, {"error": "invalid_scope"}
        token = f"ya29.token-{len(self.tokens)}-of-{key_id}"
        self.tokens[token] = key_id
        return 200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}

    def answer(self, path: str, token: str, *, has_tools: bool) -> tuple[int, dict[str, Any]]:
        """Answer a model call: the first asks for a sum where it may, the next give the answer."""
        self.paths.append(path)
        key_id = self.tokens.get(token, "")
        if key_id not in self.keys:
            message = {"code": 401, "message": f"no such token: {token}", "status": "UNAUTHENTICATED"}
            return 401, {"error": message}
        self.used.append(key_id)
        if len(self.used) > 1 or not has_tools:
            return 200, _message({"type": "text", "text": self.text}, "end_turn")
        self.first_call.set()
        self.gate.wait(60)
        call = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1, "b": 2}}
        return 200, _message(call, "tool_use")


def _message(block: dict[str, Any], reason: str) -> dict[str, Any]:
    usage = {"input_tokens": 3, "output_tokens": 2}
    about = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-of-moonville"}
    return {**about, "content": [block], "stop_reason": reason, "stop_sequence": None, "usage": usage}


class _Server(LoopbackServer):
    def __init__(self, vertex: Vertex) -> None:
        super().__init__(_Handler)
        self.vertex = vertex


class _Handler(LoopbackHandler):
    @property
    def vertex(self) -> Vertex:
        """The server's own."""
        assert isinstance(self.server, _Server)
        return self.server.vertex

    def post(self, body: bytes) -> None:
        if self.path == "/token":
            self.reply_json(*self.vertex.token(parse_qs(body.decode())["assertion"][0]))
        elif (request := json.loads(body)).get("messages"):
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            self.reply_json(*self.vertex.answer(self.path, token, has_tools=bool(request.get("tools"))))
        else:  # the free check, which asks for no answer
            self.reply_json(400, {"error": {"code": 400, "message": "messages: Field required"}})

    def get(self) -> None:
        self.reply_json(404, {"error": {"code": 404, "message": "not found"}})
