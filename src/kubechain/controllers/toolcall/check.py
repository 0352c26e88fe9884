"""Whether a Tool can be carried out here: asked when the Tool is validated, by what would carry it out."""

from __future__ import annotations

from kubechain.api.tool import Tool, ToolExecute
from kubechain.controllers.toolcall.containers import Containers
from kubechain.tools.arguments import check_schema
from kubechain.tools.builtin import BUILTINS
from kubechain.tools.container import invocation
from kubechain.tools.external_api import ApiRequest, ExternalAPIClient
from kubechain.tools.model import InvalidTool, NotExecuted


class ToolCheck:
    """Looks at a Tool with the eyes of its executor; calls nothing that the Tool names."""

    def __init__(self, http: ExternalAPIClient, containers: Containers) -> None:
        self._http = http
        self._containers = containers

    async def __call__(self, tool: Tool) -> str:
        """Why the Tool cannot be carried out; empty when it can."""
        try:
            check_schema(tool.input_schema)
            if tool.spec.execute is not None:
                await self._check(tool.spec.execute)
        except NotExecuted as error:
            return str(error)
        return ""

    async def _check(self, execute: ToolExecute) -> None:
        if execute.builtin is not None and execute.builtin.name not in BUILTINS:
            raise InvalidTool(f'there is no builtin function "{execute.builtin.name}"')
        if execute.external_api is not None:
            self._http.check(ApiRequest(url=execute.external_api.url, method=execute.external_api.method))
        if execute.container is not None:
            invocation(execute.container, {})
            await self._containers.check()
