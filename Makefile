# From nothing but Python 3.11 or newer, git and make: `make demo` and `make test`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install install-test demo test test-all lint ruff mypy imports bench constraints

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH := $(shell sed -n '/^torch==/p' constraints.txt)
JOBS ?= 2
PYTEST_ARGS ?=

# 3.11 first: the pins were taken there.
BASE_PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$p -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo $$p; break; }; done)

# One thread a process: figures repeat, and parallel tests do not fight over cores.
export OMP_NUM_THREADS ?= 1

help:
	@echo "make demo      install, run the fast-charging campaign, write its report"
	@echo "make test      install the test extras, run the suite"
	@echo "make test-all  the same with the slow tests"
	@echo "make lint      ruff, mypy --strict, import-linter"
	@echo "make bench     run the scripts in benchmarks/"
	@echo "make install   install into $(VENV)"

$(BIN)/python:
	@[ -n "$(BASE_PYTHON)" ] || { echo "Leyden needs Python 3.11 or newer with its venv module \
	(Debian, Ubuntu: apt-get install python3-venv)." >&2; exit 2; }
	@echo "Making $(VENV) with $$($(BASE_PYTHON) --version)."
	@$(BASE_PYTHON) -m venv $(VENV)

# torch goes first and alone: only so does pip take a CPU build where one is on offer.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Leyden into $(VENV): about 2 GB, some minutes the first time."
	@$(PIP) install --quiet $(TORCH)
	@$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "Installing the test extras."
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[test,data]'
	@touch $@

install: $(VENV)/.installed

install-test: $(VENV)/.installed-test

demo: install
	@mkdir -p demo
	@$(BIN)/leyden run fast-charging --store sqlite:///demo/leyden.db --json > demo/result.json
	@id=$$($(BIN)/python -c 'import json; print(json.load(open("demo/result.json"))["campaign"])'); \
	$(BIN)/leyden show "$$id" --store sqlite:///demo/leyden.db; \
	$(BIN)/leyden report "$$id" --store sqlite:///demo/leyden.db -o demo/report.html
	@echo "The report is at $(CURDIR)/demo/report.html"

test: install-test
	@$(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile --durations 10 $(PYTEST_ARGS)

test-all: install-test
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --durations 20 $(PYTEST_ARGS)

lint: ruff mypy imports

ruff: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

mypy: install-test
	$(BIN)/mypy

imports: install-test
	$(BIN)/lint-imports

bench: install
	@shopt -s nullglob; for script in benchmarks/*.py; do \
	echo "$$script"; $(BIN)/python "$$script"; done

# New pins: the newest of everything that pyproject.toml allows, in an environment of its own.
constraints: | $(BIN)/python
	@rm -rf .venv-pins && $(BIN)/python -m venv .venv-pins
	@.venv-pins/bin/python -m pip install --quiet $(TORCH)
	@.venv-pins/bin/python -m pip install --quiet --editable '.[test,data]'
	@{ sed -n '/^#/p' constraints.txt; .venv-pins/bin/python -m pip freeze --all --exclude-editable \
	| sed -e '/^pip==/d' -e 's/+cpu$$//' | LC_ALL=C sort -f; } > .venv-pins/constraints.txt
	@mv .venv-pins/constraints.txt constraints.txt && rm -rf .venv-pins
