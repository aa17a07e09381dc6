# Two commands do all the set-up on a fresh machine: `make quickstart` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help quickstart test test-slow check schema clean

help:
	@echo "make quickstart   install, train LoRA and AdaLoRA on the sample corpus, show a table"
	@echo "make test         install, run the tests"
	@echo "make check        lint, types, layers"
	@echo "make test-slow    the tests that take minutes"
	@echo "make schema       write the recipes' JSON Schema anew"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# A stamp for each set of extras, so that a changed project file installs anew.
$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[demo,dev]'
	@touch $@

quickstart: $(VENV)/.demo
	$(BIN)/qarank sweep recipes/quickstart.yaml

test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n 2 $(PYTEST_ARGS)

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

schema: $(VENV)/.dev
	$(BIN)/python -m qarank.config.json_schema recipes/recipe.schema.json

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
