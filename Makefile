# The names below are fixed: other tools call them. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PACKAGES := libs/common libs/verifier services/registry services/cards services/cashback services/reports deploy/local apps/portal apps/union
DEMO_ARGS ?=
SEED ?=
SIMULATE_ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help setup demo clean-demo test check test-kafka test-vectors test-portal vectors simulate bench contracts lock format

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
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(STAMP) ## lint, types, imports, contracts, migrations, image and compose files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/union contracts --check
	$(BIN)/union migrate --check

test-kafka: $(STAMP) ## the kernel's tests against Apache Kafka itself (needs Java 17 and Maven)
	tests/kafka/run

test-vectors: $(STAMP) ## another COSE library and a QR reader judge the cards' published test vectors
	@test -x build/oracle/bin/python || $(BIN)/uv venv --quiet build/oracle
	$(BIN)/uv pip sync --quiet --python build/oracle/bin/python --require-hashes requirements/oracle.txt
	build/oracle/bin/python tests/oracle/check.py docs/cards/vectors/vectors.json

test-portal: $(STAMP) ## the portal's journeys in Debian's Chromium on a real stack; pictures -> build/portal
	$(BIN)/uv pip install --quiet --python $(BIN)/python --target build/portal-test --require-hashes -r requirements/portal-test.txt
	PYTHONPATH=build/portal-test $(BIN)/python -m pytest tests/portal

vectors: $(STAMP) ## write docs/cards/vectors anew
	$(BIN)/python -m tests.vectors

simulate: $(STAMP) ## a year of the bonus programme with faults; SEED=7 plays the same year again
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(SIMULATE_ARGS)

bench: $(STAMP) ## ratios against limits measured in the same run -> build/bench/kernel.json
	$(BIN)/python -m bench

contracts: $(STAMP) ## write docs/events and docs/openapi from the code
	$(BIN)/union contracts

format: $(STAMP) ## rewrite files as ruff likes them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(STAMP) ## refresh the hashed locks, without addresses
	for set in uv dev runtime oracle portal-test; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-header requirements/$$set.in -o requirements/$$set.txt; done
