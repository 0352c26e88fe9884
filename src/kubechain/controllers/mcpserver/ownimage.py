"""Which image has the bridge: the one that is named, or the one that this manager runs in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson

from kubechain.controllers.mcpserver.manifests import Hosting
from kubechain.runtime.client import Client

CONTAINER = "manager"
"""Of our Deployment; the only one of a Pod counts whatever its name is."""


class NoImage(Exception):
    """Raised when the image is neither named nor found; the message says what to do."""


@dataclass(slots=True)
class HostingSource:
    """How servers run in Pods, once that is known.

    Attributes:
        image: The one that is named; empty looks for the manager's own Pod.
        pod: Name of that Pod; empty outside of a cluster.
        namespace: Of that Pod.
        url: See `Hosting`.
    """

    client: Client
    image: str
    pod: str
    namespace: str
    url: str
    _found: Hosting | None = field(default=None, init=False)

    async def get(self) -> Hosting:
        """Return it; the manager's own Pod is read once.

        Raises:
            NoImage: The image is not known.
        """
        if self._found is None:
            image = self.image or await self._own_image()
            self._found = Hosting(image, self.namespace or "default", self.url)
        return self._found

    async def _own_image(self) -> str:
        if not self.pod or not self.namespace:
            raise NoImage(
                "spec.isolation: Pod: this manager runs in no Pod: name an image that has the bridge, --bridge-image"
            )
        query = urlencode({"fieldSelector": f"metadata.name={self.pod}"})
        raw = await self.client.request("GET", f"/api/v1/namespaces/{self.namespace}/pods?{query}")
        containers: list[dict[str, Any]] = [
            container for pod in orjson.loads(raw)["items"] for container in pod["spec"]["containers"]
        ]
        own = [one["image"] for one in containers if one["name"] == CONTAINER or len(containers) == 1]
        if not own:
            raise NoImage(f'spec.isolation: Pod: the image of Pod "{self.pod}" was not found: name it, --bridge-image')
        return own[0]
