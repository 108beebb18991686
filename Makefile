# Purposewatch. `make demo` runs it, `make test` checks everything.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DISTS  := shared/policy shared/contract shared/runtime clients/python \
          services/ingest services/auditor services/reporter connectors cli demo
EDITABLE := $(foreach dist,$(DISTS),-e $(dist))

# make demo SECONDS=20 EVENTS=events.jsonl RATE=500
DEMO_OPTIONS := $(if $(SECONDS),--seconds $(SECONDS)) $(if $(EVENTS),--events $(EVENTS)) \
                $(if $(RATE),--rate $(RATE))

# make bench ROUNDS=9 EVENTS=200000 ONLY=auditor,pass_through
BENCH_OPTIONS := $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(EVENTS),--events $(EVENTS)) \
                 $(if $(ONLY),--only $(ONLY))

# make chaos SEED=7 SECONDS=600 RATE=150 SCENARIO=long|short|kills|disk PLANT=forget-ledger
CHAOS_OPTIONS := $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS)) \
                 $(if $(RATE),--rate $(RATE)) $(if $(SCENARIO),--scenario $(SCENARIO)) \
                 $(if $(PLANT),--plant $(PLANT))

# make fuzz SECONDS=600 ONLY=ingest,yaml SEED=7 ENGINE=plain
FUZZ_OPTIONS := $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ONLY),--only $(ONLY)) \
                $(if $(SEED),--seed $(SEED)) $(if $(ENGINE),--engine $(ENGINE))

# make release VERSION=0.3.0; the images carry the version that is in the file VERSION
RELEASED = $(shell cat VERSION)
LABELS   = --build-arg VERSION=$(RELEASED) --build-arg REVISION=$(shell git rev-parse HEAD) \
           --build-arg SOURCE_DATE_EPOCH=$(shell git log -1 --format=%ct)

# What is imported hundreds of times is compiled once, also where the environment forbids it.
unexport PYTHONDONTWRITEBYTECODE

# On a terminal pip shows each package and its progress bar; elsewhere there is one line a step.
PIP_INSTALL := $(BIN)/pip install --disable-pip-version-check $(if $(MAKE_TERMOUT),,--quiet)

.DEFAULT_GOAL := help
.PHONY: help install install-dev client-servers collector compile demo example test coverage lint format unit cases integration e2e chaos fuzz packaging \
        schemas check-chart lock docs picture bench bench-client bench-core bench-page bench-replay bench-flows bench-fairness bench-memory bench-scaling screenshots million up down \
        compose-check docs-site wheels sbom audit images release acls dashboards check-deploy clean

help:  ## Show this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(VENV)/run.stamp  ## Create the environment that runs Purposewatch

install-dev: $(VENV)/dev.stamp  ## Create the environment for development and tests

compile: install-dev  ## Compile the decision engine to native code; needs gcc
	$(BIN)/python release/compile.py

demo: install  ## Run everything on this machine: SECONDS=20 EVENTS=file.jsonl RATE=500
	@$(BIN)/purposewatch demo $(DEMO_OPTIONS)

example: install  ## Run the example service with the pipeline behind it; ONCE=1 ends after the verdicts
	@$(BIN)/python examples/members_portal/run.py $(if $(ONCE),--once)

test: lint docs-site  ## Everything: lint, site, and each tier of tests, with the time that it took
	$(BIN)/python -m tests

lint: install-dev  ## ruff, mypy strict, the import contracts, the schemas' freshness
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --quiet tests/packaging/test_public_interfaces.py
	$(BIN)/python -m purposewatch_contract --check

format: install-dev  ## Format the code with ruff
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

coverage: install-dev  ## Branch coverage of the unit and cases tiers; build/coverage/index.html
	rm -f .coverage
	PURPOSEWATCH_ENGINE=interpreted $(BIN)/python -m tests unit cases -- --cov --cov-append --cov-report=
	$(BIN)/coverage report --skip-covered
	$(BIN)/coverage html --quiet

unit: install-dev  ## Fast tests that start no process
	$(BIN)/python -m tests unit

cases: install-dev  ## The policies' cases
	$(BIN)/python -m tests cases

packaging: install-dev  ## Each service installs and imports alone; interfaces and dependencies
	$(BIN)/python -m tests packaging

integration: install-dev  ## Real services on real brokers and databases
	$(BIN)/python -m tests integration

collector:  ## Build an OpenTelemetry collector for the shipped configuration; needs Go 1.26
	GOBIN=$(CURDIR)/build/otelcol go install go.opentelemetry.io/collector/cmd/builder@v0.161.0
	build/otelcol/builder --config connectors/collector/builder.yaml

client-servers: install-dev  ## Try the Python client in Gunicorn, gevent and uWSGI, installed for it
	$(BIN)/python -m tests.client_servers

e2e: install-dev  ## The demo as a user runs it, and the compliance page in a browser
	$(BIN)/python -m tests e2e

chaos: install-dev  ## Kill, pause and cut everything under load, then check the ledger: SEED=7 SECONDS=300
	@$(BIN)/python -m tests.chaos $(CHAOS_OPTIONS)

fuzz: $(VENV)/fuzz.stamp  ## Change inputs of everything that reads others' input: SECONDS=300 ONLY=yaml SEED=7
	@$(BIN)/python -m tests.fuzz $(FUZZ_OPTIONS)

schemas: install-dev  ## Write the JSON Schemas from the models, and that of the Helm chart's values
	$(BIN)/python -m purposewatch_contract
	$(BIN)/python -m deploy.helm.source.generate

check-chart: install-dev  ## Check the Helm chart: Helm, schemas, checkov, a Kubernetes API server; needs Go, Java, Maven
	deploy/helm/check/tools.sh
	PURPOSEWATCH_REQUIRE_HELM=1 $(BIN)/pytest tests/chart tests/unit/deploy/test_chart.py

lock: install-dev  ## Update the hash-pinned requirement files
	$(BIN)/python requirements/lock.py

picture: install  ## Update docs/images/demo.svg, the demo's screen
	@mkdir -p docs/images
	$(BIN)/purposewatch demo --seconds 12 --picture docs/images/demo.svg

up:  ## Start docker-compose.yml without the traffic; generates the secrets at the first start
	$(PYTHON) deploy/generate_secrets.py
	docker compose up --detach --wait

down:  ## Remove the containers; keep the data in its volumes
	docker compose down

compose-check:  ## Check that the compose file is valid
	$(PYTHON) deploy/generate_secrets.py
	docker compose config --quiet

bench-core: compile $(VENV)/bench.stamp  ## Compare the compiled decision core with other policy engines
	$(BIN)/python -m bench.core

bench: install-dev  ## Compare the pipeline on Apache Kafka with bare clients: ROUNDS=5 EVENTS=100000 ONLY=auditor
	$(BIN)/python -m bench.pipeline $(BENCH_OPTIONS)
	$(if $(ONLY),,$(BIN)/python -m bench.pipeline.idle)

bench-fairness: install-dev  ## Measure what a quiet publisher gets while another one floods ingest
	$(BIN)/python -m bench.pipeline.fairness

bench-client: $(VENV)/bench.stamp  ## Compare what a call of the Python client costs with other libraries
	$(BIN)/python -m bench.client

bench-memory: $(VENV)/bench.stamp  ## Plot the services' memory over 20 minutes
	$(BIN)/python -m bench.pipeline.memory

bench-scaling: install-dev  ## Compute how many partitions, auditors and reporters a load needs
	$(BIN)/python -m bench.scaling

million: install-dev  ## Compare the decision core with the naive checker on a million random flows
	$(BIN)/python -m bench.core.million

acls: install-dev  ## Write what creates the topics and grants the rights that deploy/kafka/acls.yaml declares
	$(BIN)/python -m deploy.kafka.source.generate

dashboards: install-dev  ## Write Grafana's dashboards from their source
	$(BIN)/python -m deploy.grafana.source.generate

check-deploy: install-dev  ## Check rules, alert routes, and every panel's query on a real Prometheus
	$(BIN)/pytest tests/deploy tests/unit/deploy
	@if command -v docker >/dev/null && docker compose version >/dev/null 2>&1; \
	  then $(MAKE) compose-check; \
	  else echo "no docker compose here: the compose file's syntax was not checked by it"; fi

bench-replay: compile install-dev  ## Measure what trying a policy costs, against events and distinct flows
	$(BIN)/python -m bench.replay

bench-page: install-dev  ## Measure the page's lists with a million violations on PostgreSQL
	$(BIN)/python -m bench.page

bench-flows: install-dev  ## Measure the page's list of flows at the limit of the flow ledger, on both databases
	$(BIN)/python -m bench.page.flow_ledger

screenshots: install-dev  ## Update the pictures of docs/compliance-page.md and docs/foresight.md
	$(BIN)/python -m docs.screenshots
	$(BIN)/python -m docs.foresight_pictures

docs: install-dev  ## Write the generated pages of docs
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/asvs.py

docs-site: $(VENV)/docs.stamp  ## Build the documentation site, strict about dead links, into build/site/html
	$(BIN)/python docs/site.py

wheels: install-dev  ## Build the wheel of every distribution into dist/
	rm -rf dist
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --wheel-dir dist $(addprefix ./,$(DISTS))

sbom: $(VENV)/audit.stamp  ## Write the software bill of materials (CycloneDX) of every distribution into dist/
	$(BIN)/python -m release.sbom dist --validate

audit: $(VENV)/audit.stamp  ## Ask the registry for known vulnerabilities of everything that is pinned
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
	  $(addprefix -r ,$(wildcard requirements/*.txt))

images:  ## Build the images, labelled with version and revision
	for name in ingest auditor reporter; do \
	  docker build --file services/$$name/Dockerfile --tag purposewatch-$$name:$(RELEASED) $(LABELS) . || exit 1; \
	done
	docker build --file connectors/Dockerfile --tag purposewatch-connect:$(RELEASED) $(LABELS) .
	docker build --file cli/Dockerfile --tag purposewatch:$(RELEASED) $(LABELS) .

release:  ## Set the version, date the changelog, build the wheels, commit and tag: VERSION=0.3.0
	@test -n "$(VERSION)" || { echo 'name the version: make release VERSION=0.3.0'; exit 1; }
	@git diff --quiet HEAD || { echo 'commit or undo your changes first'; exit 1; }
	$(PYTHON) release/cut.py $(VERSION)
	$(MAKE) wheels sbom
	git commit --all --message 'Release $(VERSION)'
	git tag --annotate v$(VERSION) --message 'Purposewatch $(VERSION)'

clean:  ## Remove the environment and everything built
	rm -rf $(VENV) build .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis \
	  shared/policy/src/purposewatch_policy/_native

$(VENV)/pip.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Purposewatch needs Python 3.11 or newer; name one: make PYTHON=python3.12'; exit 1; }
	@echo '[1/3] Creating the Python environment in $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.stamp: $(VENV)/pip.stamp requirements/run.txt $(addsuffix /pyproject.toml,$(DISTS))
	@echo "[2/3] Installing the $$(grep -c == requirements/run.txt) packages that Purposewatch needs"
	@$(PIP_INSTALL) --require-hashes -r requirements/run.txt
	@echo '[3/3] Installing Purposewatch itself: $(DISTS)'
	@$(PIP_INSTALL) --no-deps --no-build-isolation $(EDITABLE)
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements/dev.txt
	@echo "Installing the $$(grep -c == requirements/dev.txt) packages of the development environment"
	@$(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/docs.stamp: $(VENV)/dev.stamp requirements/docs.txt
	@echo 'Installing the documentation builder'
	@$(PIP_INSTALL) --require-hashes -r requirements/docs.txt
	@touch $@

# atheris is built for Linux alone; without it, inputs are changed without looking at coverage.
$(VENV)/fuzz.stamp: $(VENV)/dev.stamp requirements/fuzz.txt
	@$(PIP_INSTALL) --require-hashes -r requirements/fuzz.txt || echo 'atheris cannot be installed here'
	@touch $@

$(VENV)/audit.stamp: $(VENV)/dev.stamp requirements/audit.txt
	@$(PIP_INSTALL) --require-hashes -r requirements/audit.txt
	@touch $@

$(VENV)/bench.stamp: $(VENV)/dev.stamp requirements/bench.txt
	@echo 'Installing what the benchmarks compare with'
	@$(PIP_INSTALL) --require-hashes -r requirements/bench.txt
	@touch $@
