# book     execute every chapter at the quick profile and render the book; again, only what changed
# html     render the committed record; executes nothing
# test     everything that can be checked
# verify   compute every verdict of the ledger anew, at PROFILE=quick, paper or full, and compare with the committed ones
# record   execute stale chapters at the paper profile and replace the committed record
# PYTHON names the Python that makes the environment; TORCH=cpu takes the build of torch without CUDA.
PYTHON ?= python3
VENV ?= .venv
TORCH ?= default
PROFILE ?= quick
PY := $(VENV)/bin/python
export PYTHONUNBUFFERED := 1

# The CUDA build's libraries stand in the lock, too; the CPU build does without.
LOCK = $(if $(filter cpu,$(TORCH)),grep -Ev '^(cuda|nvidia|triton)',cat) requirements.txt
INSTALL = $(PY) -m uv pip install --quiet --python $(PY) --compile-bytecode $(if $(filter cpu,$(TORCH)),--torch-backend cpu)

.PHONY: book html test verify record reference bench lock clean

book: $(VENV)/.ready
	$(PY) -m l2h.execute quick
	$(PY) -m l2h.render _build/notebooks/quick

html: $(VENV)/.ready
	$(PY) -m l2h.render book

test: $(VENV)/.ready
	$(PY) -m pytest -q

verify: $(VENV)/.ready
	$(PY) -m l2h.verify $(PROFILE)

record: $(VENV)/.ready
	$(PY) -m l2h.execute record

reference: $(VENV)/.ready
	$(PY) -m l2h.execute reference

bench: $(VENV)/.ready
	$(PY) -m benchmarks

lock: $(VENV)/.ready
	$(PY) -m uv pip compile --quiet --universal --python-version 3.11 requirements.in --output-file requirements.txt

clean:
	rm -rf _build

$(VENV)/.ready: requirements.txt pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed; name it with PYTHON=...')"
	@echo "Setting up $(VENV): some minutes, and some gigabytes, the first time"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m uv --version >/dev/null 2>&1 || $(PY) -m pip install --quiet $(shell grep '^uv==' requirements.txt)
	@$(LOCK) | $(INSTALL) -r - -e .
	@touch $@
