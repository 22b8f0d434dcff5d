# Each target sets up what it needs in .venv; the only prerequisite is Python 3.11 or newer.
PYTHON ?= $(firstword $(shell command -v python3.11 python3))
BIN := .venv/bin

# The main job, as the README shows it.
DEMO := $(BIN)/splitmodel provision --model bloom-176b --workload conv --maximise rate \
	--budget-power-w 408e3 --compare-semantics --out best.nc --figure space.png

.PHONY: demo studies docs static numerics tests test performance choices format clean

demo: .venv/core
	$(DEMO)

# Results, figures and pages; what the same code has already computed stays.
studies: .venv/dev
	$(BIN)/splitmodel study --all --stale --out docs/_generated/studies

docs: studies
	$(BIN)/sphinx-build -q -W --keep-going -j auto docs docs/_build/html

test: .venv/dev
	$(MAKE) --no-print-directory --jobs=2 --output-sync static numerics tests

static: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

# In float64; on one core, because studies and docs leave one idle at times.
numerics: .venv/dev
	$(BIN)/pytest -n 1 --x64 -m numerics

# The studies' results and the site are tested, too.
tests: docs
	$(BIN)/pytest -n 2 --dist loadfile

# The tables of docs/performance.md; the last one where AICONFIGURATOR names its program.
performance: .venv/dev
	$(BIN)/python benchmarks/kernel_floor.py > docs/performance/kernel_floor.txt
	$(BIN)/python benchmarks/sweep_scale.py 1e7 > docs/performance/sweep_scale.txt
	$(BIN)/python benchmarks/first_answer.py > docs/performance/first_answer.txt
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
	$(call install,.)
	touch $@

.venv/dev: pyproject.toml | $(BIN)/python
	$(call install,".[dev]")
	touch $@ .venv/core

$(BIN)/python:
	$(PYTHON) -m venv .venv

# uv takes a fifth of pip's time, but reads none of its settings: where only these lead to an index,
# pip does it.
install = $(BIN)/pip install --quiet uv && $(BIN)/uv pip install --quiet --python $(BIN)/python \
	--editable $(1) || $(BIN)/pip install --quiet --editable $(1)
