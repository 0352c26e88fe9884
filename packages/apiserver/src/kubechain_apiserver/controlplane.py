"""A whole control plane in this process: storage, engine, HTTP server, kubeconfig.

It builds the parts and starts and stops them in order.

    async with ControlPlane(folder) as plane:
        plane.install_crd(crd)
        ...  # kubectl --kubeconfig {plane.kubeconfig_path}
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kubechain_apiserver.engine.engine import Engine
from kubechain_apiserver.engine.options import WriteOptions
from kubechain_apiserver.http import certificates, kubeconfig
from kubechain_apiserver.http.faults import Faults
from kubechain_apiserver.http.inprocess import InProcessExchange, Lost
from kubechain_apiserver.http.private_files import write_private
from kubechain_apiserver.http.server import HttpServer
from kubechain_apiserver.requests.handler import ApiServer
from kubechain_apiserver.store.environment import Environment, SystemEnvironment
from kubechain_apiserver.store.sqlite import SqliteStorage
from kubechain_apiserver.store.storage import MemoryStorage
from kubechain_apiserver.wire import authn
from kubechain_apiserver.wire.errors import StatusError
from kubechain_apiserver.wire.http_types import Handler
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

_CRD: Final = ("apiextensions.k8s.io", "v1", "customresourcedefinitions")
_AS_INSTALLER: Final = WriteOptions(field_manager="kubechain")
"""Field manager of the CRDs that `install_crd` writes."""


class ControlPlane:
    """The embedded control plane.

    Args:
        folder: Where objects, keys and the kubeconfig are kept over restarts; None keeps everything in memory, and keys
            in a temporary folder, until `stop`.
        port: 0 takes a free one.
        host: A loopback address.
        kubeconfig_path: Where to write the kubeconfig; None means `kubeconfig` in the folder.
        environment: Time and randomness.
        faults: Faults to inject into requests.
    """

    def __init__(
        self,
        folder: Path | None = None,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        kubeconfig_path: Path | None = None,
        environment: Environment | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="kubechain-") if folder is None else None
        self.folder = folder or Path(self._temporary.name if self._temporary else "")
        self.kubeconfig_path = kubeconfig_path or self.folder / "kubeconfig"
        self._environment = environment or SystemEnvironment()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        storage = SqliteStorage(folder) if folder else MemoryStorage()
        self.engine = Engine(storage, environment=self._environment)
        self._token = _kept_token(self.folder / "token")
        tokens = authn.Tokens(self._token)
        server = ApiServer(self.engine, tokens=tokens, now=self._environment.now)
        self.server: Handler = faults.around(server) if faults else server
        self._certificates = certificates.ensure(self.folder / "tls", now=datetime.now(UTC))
        self._http = HttpServer(self.server, tokens=tokens, context=self._certificates.context(), host=host, port=port)

    @property
    def url(self) -> str:
        """URL of the API server; known after `start`."""
        return self._http.url

    async def start(self) -> Self:
        """Listen, and write the kubeconfig.

        Raises:
            PortInUseError: Another program has the port.
        """
        await self._http.start()
        authority = self._certificates.authority.read_bytes()
        kubeconfig.write(self.kubeconfig_path, kubeconfig.document(self.url, authority=authority, token=self._token))
        return self

    async def stop(self) -> None:
        """End every watch, stop listening, and close the storage. May be called again."""
        await self._http.stop()
        self.engine.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def exchange(self, *, user_agent: str = "kubechain", lost: Lost = ConnectionResetError) -> InProcessExchange:
        """Return an exchange that calls the API server in this process.

        Args:
            lost: Makes the exception that a client expects for a lost connection.
        """
        return InProcessExchange(self.server, headers={"user-agent": user_agent}, lost=lost)

    def install_crd(self, crd: JsonObject) -> JsonObject:
        """Create a CustomResourceDefinition, or update the one that exists.

        Raises:
            StatusError: The definition is refused.
        """
        info = self._crd_info()
        name: str = crd["metadata"]["name"]
        try:
            current = self.engine.get(info, "", name)
        except StatusError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
            return self.engine.create(info, "", crd, _AS_INSTALLER)
        metadata = {**crd["metadata"], "resourceVersion": current["metadata"]["resourceVersion"]}
        return self.engine.update(info, "", name, {**crd, "metadata": metadata}, options=_AS_INSTALLER)

    def _crd_info(self) -> ResourceInfo:
        info = self.engine.registry.find(*_CRD)
        assert info is not None, "CustomResourceDefinition is built in"
        return info


def _kept_token(path: Path) -> str:
    """Return the administrator's token; it is generated on first use."""
    with suppress(FileNotFoundError):
        token = path.read_text().strip()
        if token:
            return token
    token = authn.new_token()
    write_private(path, token.encode())
    return token
