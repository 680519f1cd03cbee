# make demo    a virtual watch, a broker and the gateway, on this machine, without hardware
# make test    everything that CI checks: lint, then the tests
# make lint    style, types, architecture
# make bench   what it costs
# make clean   back to a fresh clone
#
# Needs Python 3.11 or newer, make and git; everything else goes into .venv.
# PYTHON=... names the interpreter to build it with.

VENV := .venv
RUN  := $(VENV)/bin/python
# what nobody imports need not be compiled
PIP  := $(RUN) -m pip --disable-pip-version-check -qq
DEMO ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench clean

help:
	@sed -n 's/^# make /make /p' Makefile

demo: $(VENV)/.demo
	@$(RUN) -m gatewayd demo $(DEMO)

test: lint
	@$(RUN) -m pytest

lint: $(VENV)/.dev
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@$(VENV)/bin/lint-imports --no-logo

bench: $(VENV)/.dev
	@$(RUN) -m tests.bench

clean:
	rm -rf $(VENV) build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The demo needs less than the development tools, and should not wait for them.
$(VENV)/.demo: pyproject.toml | $(VENV)/.made
	@echo "Installing gatewayd and what its demo needs (once) ..."
	@$(PIP) install --no-compile --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.made
	@echo "Installing gatewayd and its development tools (once) ..."
	@$(PIP) install --no-compile --editable '.[dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.made:
	@found=; \
	for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	    command -v "$$python" >/dev/null 2>&1 || continue; \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    found=$$python; \
	    "$$python" -c 'import ensurepip, venv' 2>/dev/null || continue; \
	    "$$python" -m venv --clear $(VENV) && touch $@ && exit 0; \
	    echo "make: $$python could not create $(VENV); its message is above." >&2; exit 1; \
	done; \
	if [ -n "$$found" ]; then \
	    echo "make: $$found cannot create virtual environments. Install its venv module (Debian, Ubuntu: apt install python3-venv)." >&2; \
	else \
	    echo "make: no Python 3.11 or newer found. Install one (Debian, Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3" >&2; \
	fi; \
	exit 1
