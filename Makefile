# The words of the house. `make` alone explains them; continuous integration uses the same ones.
.DEFAULT_GOAL := help
.PHONY: help run setup test journeys peers check format-check lint types floors layout docs fix crash bench lock wheel image-check clean ci

BIN := .venv/bin
T ?= tests
export PYTHON

help: ## Explain these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start the server with a sample hospital (installs what it needs first)
	@.ci/setup run
	@$(BIN)/python -m server demo

setup: ## Make .venv with everything that tests and checks need
	@.ci/setup test

test: setup ## Run all tests but journeys, or some: make test T=tests/dicom
	@$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile $(if $(filter tests,$(T)),--ignore=tests/journeys) $(T)

journeys: setup ## Run users' ways end to end, in Chromium too (make peers brings it)
	@$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile tests/journeys

peers: ## Install Debian's peers for the tests: dcmtk, Orthanc and others (root or sudo)
	@.ci/peers

check: format-check lint types floors layout ## Everything but the tests: format, style, types, floors, layout and docs

format-check: setup
	@$(BIN)/ruff format --check .

lint: setup
	@$(BIN)/ruff check .

types: setup
	@$(BIN)/mypy

floors: setup
	@$(BIN)/lint-imports

layout: setup
	@$(BIN)/python -m pytest -q tests/layout

docs: setup ## Write the generated pages of docs/reference anew
	@$(BIN)/python -m docs.generate

fix: setup ## Let ruff repair format and style
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

crash: setup ## Cut the power to the server in mid-write, many times, and look for losses
	@$(BIN)/python -m bench.crash $(ARGS)

bench: setup ## Measure our paths beside Orthanc, dcmtk and bare limits (ARGS=--quick: three minutes)
	@$(BIN)/python -m bench $(ARGS)

lock: ## Resolve pyproject.toml anew into requirements/ (ARGS=--upgrade takes newer versions)
	@.ci/lock $(ARGS)

wheel: setup ## Build the wheel into dist/
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps --no-index --wheel-dir dist .
	@ls dist/*.whl

image-check: setup ## Carry out the Dockerfile in a Debian root without Docker and see it serve (root, slow)
	@$(BIN)/python .ci/image_check.py

clean: ## Remove what these words made (never ./data)
	@rm -rf .venv .uv build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

ci: ## What continuous integration runs
	@bash .ci/run
