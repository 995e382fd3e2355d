# Every way of working on this project is a target here; `make` alone lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DECK_VERSION := $(shell awk '$$1 == "require" && $$2 == "github.com/kong/deck" {print $$3}' tests/deck/tool/go.mod)
TOOLS  := build/tools
NODE   := build/node
PYTHON1 := build/python1
FASTMCP4 := build/fastmcp4
FUZZ   := $(VENV)/.fuzz
MUTANTS := build/mutants
SITE   := build/docs-python/.ready
COMPILED := build/compiled
TESTS_COMPILED := tests/mcp_core tests/mcp_kong tests/kong_pluginserver tests/fuzz tests/compiled \
	--ignore tests/mcp_core/scan --ignore tests/mcp_core/rest
PEER_LOCKS := litellm contextforge

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench conformance eval fuzz lock clean long docs reference release deck helm node python1 fastmcp4 \
	matrix mutants peers bench-peers bench-auth bench-telemetry telemetry chaos eval-search bench-search bench-catalog bench-virtual portal-screenshots telemetry-pictures \
	profile compiled test-compiled

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked packages into $(VENV) (the first time takes a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(READY) ## Make .venv with the locked packages

$(COMPILED)/.ready: $(READY) hatch_build.py $(shell find plugins/mcp_core plugins/mcp_kong -name '*.py')
	@$(BIN)/python hatch_build.py $(COMPILED) >/dev/null
	@touch $@

compiled: $(COMPILED)/.ready ## Compile what decides over a call into build/compiled (needs a C compiler; half a minute)

test-compiled: compiled ## Run the tests of the core, the guard and the plugin server on the compiled build, and compare it with plain Python
	@PYTHONPATH=$(COMPILED) $(BIN)/python -m pytest -n 2 --dist loadfile -m "not long" $(TESTS_COMPILED)
	@PYTHONPATH=tests $(BIN)/python -m fuzz.same --seconds $(or $(SECONDS),60) --seed $(or $(SEED),0)

demo: $(READY) ## Run the main job on real servers and clients, and print what happened
	@$(BIN)/python tests/demo/demo.py

test: $(READY) node python1 ## Run all tests but those of `make long` (on a real Kong too, where `kong` is on the PATH)
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not long"

long: $(READY) deck node python1 fastmcp4 ## Run the tests that take minutes: README and decK on a real Kong, other people's clients, servers and logins, sick replicas
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m long

check: $(READY) deck ## Format, lint, types, import rules, size caps, decK files
	@mkdir -p build
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@PYTHONPATH=kong:plugins:sidecar $(BIN)/lint-imports --no-logo >build/lint-imports.log 2>&1 || { cat build/lint-imports.log; exit 1; }
	@$(BIN)/python -m pytest --no-header -q tests/house/test_size_caps.py >build/size-caps.log 2>&1 || { cat build/size-caps.log; exit 1; }
	@$(BIN)/kong-mcp deck render deck/servers --out deck/rendered.yaml --check
	@$(BIN)/python docs/site/reference.py --check
	@tests/deck/check_deck $(TOOLS)/deck-$(DECK_VERSION)
ifdef KONG_CHART
	@$(MAKE) --no-print-directory helm
	@KONG_CHART=$(abspath $(KONG_CHART)) $(BIN)/python -m pytest --no-header -q -rs tests/helm >build/helm.log 2>&1 || { cat build/helm.log; exit 1; }
endif

format: $(READY) ## Format the code and mend what can be mended
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

deck: ## Build the pinned decK into build/tools where Go is present
	@tests/deck/build_deck $(DECK_VERSION) $(abspath $(TOOLS)/deck-$(DECK_VERSION))

helm: $(READY) ## Build helm, kubeconform and Kubernetes' schemas; with KONG_CHART=DIR `make check` renders the Helm values
	@tests/helm/build_helm $(abspath $(TOOLS)/helm) $(abspath $(BIN)/python)

node: ## Install the official suite, the inspector, TypeScript SDKs and servers into build/node
	@tests/node/build_node $(abspath $(NODE))

python1: $(READY) ## Install the Python SDK of the 1.x line, and servers made with it, into build/python1
	@tests/python1/build_python tests/python1 $(abspath $(PYTHON1)) $(BIN)/python

fastmcp4: $(READY) ## Install fastmcp 4 into build/fastmcp4
	@tests/python1/build_python tests/fastmcp4 $(abspath $(FASTMCP4)) $(BIN)/python

matrix: $(READY) node python1 fastmcp4 ## Have every client use every server, directly and through the gateway (SERVERS=NAME,NAME for some)
	@MATRIX=$(or $(SERVERS),all) $(BIN)/python -m pytest tests/matrix

conformance: $(READY) node ## Run the official suite directly and through the gateway, and compare
	@$(BIN)/python tests/conformance/run.py $(if $(QUICK),--quick)

bench: $(READY) ## Measure speed and memory, print the table, write build/bench.json
	@$(BIN)/python tests/bench/run.py $(if $(QUICK),--quick)

profile: $(READY) ## Measure where the time of a guarded call goes on a real Kong, print the table, draw docs/speed.svg
	@$(BIN)/python tests/bench/profile.py $(if $(QUICK),--quick)

bench-auth: $(READY) ## Measure what access tokens cost, print the table, write build/auth.json
	@$(BIN)/python tests/bench/run.py $(if $(QUICK),--quick) --out build/auth.json auth

bench-telemetry: $(READY) ## Measure what telling the collector costs, print the table, write build/telemetry.json
	@$(BIN)/python tests/bench/run.py $(if $(QUICK),--quick) --out build/telemetry.json telemetry

telemetry: $(READY) ## Hold metrics and usage against the servers' own counts of 100,000 calls (CALLS=100000)
	@TELEMETRY_CALLS=$(or $(CALLS),$(TELEMETRY_CALLS),100000) $(BIN)/python -m pytest -m "" --timeout 0 tests/e2e/test_telemetry.py

bench-catalog: $(READY) ## Measure catalog, registry and portal at 10,000 servers and 200,000 tools, write build/catalog.json
	@$(BIN)/python tests/bench/run.py $(if $(QUICK),--quick) --out build/catalog.json catalog portal

bench-virtual: $(READY) ## Measure what a virtual server costs, print the table, write build/virtual.json
	@$(BIN)/python tests/bench/run.py $(if $(QUICK),--quick) --out build/virtual.json virtual

peers: $(READY) python1 fastmcp4 ## Install the Python gateways that `make bench-peers` measures into build/peers (what cannot be had is left out)
	@for peer in $(PEER_LOCKS); do \
		tests/python1/build_python tests/bench/peers/$$peer $(abspath build/peers)/$$peer $(BIN)/python peers; done

bench-peers: $(READY) ## Measure our gateway beside others (PEERS="NAME NAME" for some), write build/peers.json, draw build/peers.svg
	@$(BIN)/python tests/bench/peers/run.py $(if $(QUICK),--quick) $(PEERS)

$(FUZZ): $(READY) tests/fuzz/requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
		-r tests/fuzz/requirements.lock || { echo "make fuzz needs Linux on x86-64"; exit 1; }
	@touch $@

fuzz: $(FUZZ) node ## Fuzz the protocol core (SECONDS=60, SEED=1 for each TARGET: request, answer, stream, held, held-stream, dearest)
	@PYTHONPATH=tests $(BIN)/python -m fuzz.run --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) $(if $(REPLAY),--replay $(REPLAY)) $(TARGET)

$(MUTANTS)/.ready: $(READY) tests/mutants/requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
		--upgrade --target $(MUTANTS) -r tests/mutants/requirements.lock
	@touch $@

mutants: $(MUTANTS)/.ready ## Mutate a module of the core and see whether its tests notice (MODULE=mcp_core.record, SECONDS=120)
	@PYTHONPATH=$(abspath $(MUTANTS)) $(BIN)/python tests/mutants/run.py --seconds $(or $(SECONDS),120) $(or $(MODULE),mcp_core.record)

portal-screenshots: $(READY) ## Make the pictures of docs/portal.md anew (needs chromium on the PATH)
	@PORTAL_SCREENSHOTS=$(abspath docs/portal) $(BIN)/python -m pytest tests/mcp_sidecar/portal/test_browser.py -k nothing_keeps

telemetry-pictures: $(READY) ## Draw the pictures of docs/telemetry.md anew (needs kong, and prometheus for those of the dashboards)
	@TELEMETRY_PICTURES=$(abspath docs) TELEMETRY_SECONDS=$(or $(SECONDS),75) $(BIN)/python -m pytest -m "" -rs tests/e2e/test_telemetry_pictures.py

chaos: $(READY) ## Break servers, and a node's own parts, and write what agents saw to build/chaos.json (QUICK=1; PART=shape CALLS=100000)
	@$(BIN)/python tests/resilience/chaos.py $(if $(QUICK),--quick) $(if $(CALLS),--calls $(CALLS)) $(PART)

$(SITE): docs/site/requirements.lock
	@test -x build/docs-python/bin/python || $(PYTHON) -m venv build/docs-python
	@build/docs-python/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

docs: $(SITE) ## Build the documentation as a site into build/docs; a link that leads nowhere is an error
	@build/docs-python/bin/python docs/site/build.py

eval-search: $(READY) ## Measure what search finds (QUERIES=FILE, GOLDEN=FILE), write build/search.json
	@test -e "$(QUERIES)" || { echo "give the queries: make eval-search QUERIES=FILE (tests/eval/search.py says what is in it)"; exit 2; }
	@$(BIN)/python tests/eval/search.py "$(QUERIES)" $(if $(GOLDEN),--golden "$(GOLDEN)")

bench-search: $(READY) ## Measure what search costs, join it to build/search.json, draw docs/search-tokens.svg
	@$(BIN)/python tests/bench/search.py $(if $(QUICK),--quick)

reference: $(READY) ## Write docs/reference anew from the code
	@$(BIN)/python docs/site/reference.py

eval: $(READY) ## Measure the scanner on corpora (CORPORA=DIR), write build/eval.json; PARTS=1: its parts in turn; THEN=COMMIT: its cost to that of then
	@test -d "$(CORPORA)" || { echo "give the folder of the corpora: make eval CORPORA=DIR (tests/eval/corpora.py says what is in it)"; exit 2; }
	@$(BIN)/python tests/eval/$(if $(PARTS),parts,$(if $(THEN),then,run)).py "$(CORPORA)"$(if $(THEN), --then "$(THEN)")

release: $(READY) ## Build wheel and sdist twice, compare and try them, list parts and licences; PYTHON_IMAGE, KONG_IMAGE by digest pin images
	@PYTHON_IMAGE="$(PYTHON_IMAGE)" KONG_IMAGE="$(KONG_IMAGE)" $(BIN)/python tests/ship/make_release.py

lock: ## Write requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-annotate --no-emit-index-url --no-header \
		--extra dev --python-version 3.11 pyproject.toml --output-file requirements.lock

clean: ## Remove what was built, the virtual environment too
	rm -rf $(VENV) build dist
