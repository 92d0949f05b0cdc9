# Every target does its own set-up. Needs Python 3.11 or newer, make and pip; no Docker, no root, no database.
#
#   PYTHON=python3.12 make install     another interpreter
#   PIP_EXTRA_INDEX_URL=… make run     pip's own settings are honoured, here for an index of CPU builds of torch
#   JOBS=0 make test                   in one process; 3 keep two cores busy, since many tests wait

# The first of these that is young enough; without any, python3, whose age is then told.
YOUNG  := -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
PYTHON ?= $(or $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" $(YOUNG) && echo "$$p" && break; done),python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=
JOBS   ?= 3
DATA   ?=

RUNTIME     := $(VENV)/.installed
DEVELOPMENT := $(VENV)/.installed-dev

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help run install test test-fast lint format bench evaluate lock secrets clean

help: ## Say what there is
	@awk 'BEGIN {FS = ":.*## "; print "Reading Room\n"} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nMore on a command of the program: %s/readingroom --help\n' '$(BIN)'

run: $(RUNTIME) ## Start the whole product on this machine (ARGS="--port 9000")
	@exec $(BIN)/readingroom serve $(ARGS)

install: $(DEVELOPMENT) ## Make .venv with everything to run and to develop
	@printf 'Ready: %s/readingroom\n' '$(BIN)'

test: lint ## Run every check and every test that needs nothing from outside
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal $(ARGS)

test-fast: lint ## Run the checks and the tests on fakes: seconds
	@$(BIN)/python -m pytest tests/domain tests/application $(ARGS)

lint: $(DEVELOPMENT)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python tools/check_rules.py

format: $(DEVELOPMENT) ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(RUNTIME) ## Run the benchmarks (ARGS=…)
	@$(BIN)/python -m benchmarks $(ARGS)

evaluate: $(RUNTIME) ## Measure retrieval on judged questions, or answers (DATA=FOLDER, ARGS=--answers)
	@test -n '$(DATA)' || { echo 'make evaluate DATA=FOLDER' >&2; exit 2; }
	@$(BIN)/python -m benchmarks.evaluate '$(DATA)' $(ARGS)

lock: $(DEVELOPMENT) ## Resolve the dependencies anew (ARGS="--python python3.11 --python python3.12")
	@$(BIN)/python tools/lock.py $(ARGS)

secrets: ## Make the secrets of docker-compose.yml in deploy/secrets
	@$(PYTHON) deploy/make_secrets.py

clean: ## Remove the environment and what tools leave behind; data stays
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) $(YOUNG) || { \
		echo 'Reading Room needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	@echo 'Making $(VENV) …'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo 'This Python lacks its venv or ensurepip module; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }

$(RUNTIME): requirements.lock pyproject.toml tools/relocate.py | $(BIN)/python
	@echo 'Installing what it takes to run; the first time takes minutes …'
	@$(BIN)/python -m pip install --quiet -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(DEVELOPMENT): requirements-dev.lock $(RUNTIME)
	@echo 'Installing what it takes to develop …'
	@$(BIN)/python -m pip install --quiet -r requirements-dev.lock
	@touch $@
