# syntax=docker/dockerfile:1
# The image of the manager. Everything that is installed is pinned by constraints.txt, the build tools included.
ARG PYTHON_IMAGE=python:3.13.9-slim-bookworm
ARG GO_IMAGE=golang:1.25.4-bookworm

# What an MCP server in a Pod of its own is reached through: one static file, which runs in any image.
FROM ${GO_IMAGE} AS bridge
ARG TARGETARCH
WORKDIR /src
COPY packages/mcp-bridge ./
RUN CGO_ENABLED=0 GOARCH=${TARGETARCH} go build -trimpath -ldflags="-s -w" -o /kubechain-mcp-bridge .

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_CONSTRAINT=/src/constraints.txt
WORKDIR /src
RUN python -m venv /opt/kubechain
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY src ./src
# uv brings uvx, by which many MCP servers of type stdio are started.
RUN /opt/kubechain/bin/pip install . uv && /opt/kubechain/bin/pip uninstall --yes pip

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="KubeChain" \
      org.opencontainers.image.description="An orchestrator for AI agents on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/kubechain /opt/kubechain
COPY --from=bridge /kubechain-mcp-bridge /opt/kubechain/bin/
# The root file system is read-only in the cluster; /tmp is a volume, for what MCP servers write.
ENV PATH=/opt/kubechain/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    UV_CACHE_DIR=/tmp/uv-cache
WORKDIR /tmp
USER 65532:65532
ENTRYPOINT ["kubechain"]
CMD ["manager"]
