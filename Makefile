# make train   install if needed, train DiffMVR (small), restore a clip, print the table
# make test    install if needed, run every test
# make bench   install if needed, measure speed and memory: outputs/bench/bench.json
# make docs    install if needed, build the documentation: build/docs/index.html
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DOCS := $(VENV)/.installed-docs
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Overrides for the training run: make train ARGS="experiment=dual_motion trainer.max_steps=1000"
ARGS ?=

.PHONY: train test bench docs notebooks lint figures weights clean

train: $(INSTALLED)
	$(BIN)/python -m diffmvr.train $(ARGS)

# By the names of the files, not by how many tests each has: few are long, and those come first.
# The tests start many processes, which would each compile all modules if none kept the result.
test: export PYTHONDONTWRITEBYTECODE =
test: $(INSTALLED)
	PYTHONFAULTHANDLER=1 $(BIN)/python -m pytest tests -n 2 --dist loadfile --no-loadscope-reorder

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.run $(ARGS)

# A warning is an error: a link that leads nowhere, a name that is not there.
docs: $(INSTALLED_DOCS)
	$(BIN)/sphinx-build -W --keep-going -q -j 2 docs build/docs
	@echo build/docs/index.html

# Executes the notebooks anew and keeps what they show (minutes).
notebooks: $(INSTALLED_DOCS)
	$(BIN)/python docs/notebooks/execute.py

lint: $(INSTALLED)
	$(BIN)/ruff check src tests benchmarks experiments docs
	$(BIN)/ruff format --check src tests benchmarks experiments docs
	$(BIN)/mypy
	$(BIN)/lint-imports

figures: $(INSTALLED)
	$(BIN)/python experiments/figures.py

# Train everything that ships in src/diffmvr/weights anew (hours).
weights: $(INSTALLED)
	bash experiments/pretrain.sh

# The stamp is newer than both files only after a complete install.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) -c constraints.txt -e ".[dev,landmarks]"
	touch $(INSTALLED)

$(INSTALLED_DOCS): $(INSTALLED)
	$(PIP) -c constraints.txt -e ".[docs]"
	touch $(INSTALLED_DOCS)

clean:
	rm -rf $(VENV) outputs multirun build dist
