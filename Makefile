# make train   install if needed, train DiffMVR (small), restore a clip, print the table
# make test    install if needed, run every test
# make bench   install if needed, measure speed and memory: outputs/bench/bench.json
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Overrides for the training run: make train ARGS="experiment=dual_motion trainer.max_steps=1000"
ARGS ?=

.PHONY: train test bench lint figures weights clean

train: $(INSTALLED)
	$(BIN)/python -m diffmvr.train $(ARGS)

# By the names of the files, not by how many tests each has: few are long, and those come first.
test: $(INSTALLED)
	PYTHONFAULTHANDLER=1 $(BIN)/python -m pytest tests -n 2 --dist loadfile --no-loadscope-reorder

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.run $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check src tests benchmarks experiments
	$(BIN)/ruff format --check src tests benchmarks experiments
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
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,landmarks]"
	touch $(INSTALLED)

clean:
	rm -rf $(VENV) outputs multirun build dist
