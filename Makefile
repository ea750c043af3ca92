# Two commands for a newcomer: `make demo` and `make test`. Each makes its own virtual environment in .venv.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test check bench format clean

demo: $(INSTALLED)  ## a real server, its verdict, a real BGSAVE under load, predicted beside measured
	$(BIN)/python -m checker.lab.demo

test: $(INSTALLED)  ## all tests, with real servers, forks and memory cgroups
	$(BIN)/pytest

check: $(INSTALLED)  ## what CI runs before the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(INSTALLED)  ## accuracy against real forks, and speeds: docs/accuracy.md, docs/benchmarks.md
	sh deploy/debian-packages wrk
	$(BIN)/bgsafe verify --suite quick --accuracy docs/accuracy.md --recorded tests/fixtures/recorded_forks.jsonl
	$(BIN)/python -m benchmarks

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(INSTALLED): pyproject.toml deploy/debian-packages deploy/helm_binary.py
	sh deploy/debian-packages
	python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	$(BIN)/python deploy/helm_binary.py $(BIN)/helm
	touch $@
