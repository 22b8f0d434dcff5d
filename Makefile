# Each target sets up what it needs in .venv; the only prerequisite is Python 3.11 or newer.
PYTHON ?= $(firstword $(shell command -v python3.11 python3))
BIN := .venv/bin

# The main job, as the README shows it.
DEMO := $(BIN)/splitmodel provision --model bloom-176b --workload conv --maximise rate \
	--budget-power-w 408e3 --compare-semantics --out best.nc --figure space.png

.PHONY: demo studies test docs performance choices format clean

demo: .venv/core
	$(DEMO)

# Results, figures and pages; what the same code has already computed stays.
studies: .venv/dev
	$(BIN)/splitmodel study --all --stale --out docs/_generated/studies

test: studies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/pytest -n 2
	$(BIN)/pytest -n 2 --x64 -m numerics

docs: studies
	$(BIN)/sphinx-build -q -W --keep-going -j auto docs docs/_build/html

# The tables of docs/performance.md; the last one where AICONFIGURATOR names its program.
performance: .venv/dev
	$(BIN)/python benchmarks/kernel_floor.py > docs/performance/kernel_floor.txt
	$(BIN)/python benchmarks/sweep_scale.py 1e7 > docs/performance/sweep_scale.txt
ifdef AICONFIGURATOR
	$(BIN)/python benchmarks/beside_aiconfigurator.py $(AICONFIGURATOR) \
		> docs/performance/beside_aiconfigurator.txt
endif

# The table of choices in docs/validation.md.
choices: .venv/dev
	$(BIN)/python benchmarks/choices.py > docs/choices.txt

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv docs/_build docs/_generated

.venv/core: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable .
	touch $@

.venv/dev: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@ .venv/core

$(BIN)/python:
	$(PYTHON) -m venv .venv
