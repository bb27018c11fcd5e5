# make demo   sets everything up and runs the quickstart: from a raw crawl to a few-shot table
# make test   sets everything up and runs all tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# the constraints hold for the build's own environment too
export PIP_CONSTRAINT = constraints.txt

.PHONY: demo test lint bench clean

demo: $(READY)
	$(BIN)/gptkit run quickstart

test: $(READY) lint
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	for script in tests/benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) .venv-peers .venv-peers-daft .venv-peers-shards quickstart commoncrawl gpt3-mixture build dist

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "gptkit needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(READY)
