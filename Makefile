# book     execute every chapter at the quick profile and render the book; again, only what changed
# html     render the committed record; executes nothing
# pdf      print the committed record with an installed Chromium or Chrome: each page of the contents, and the whole book
# test     everything that can be checked
# verify   compute verdicts from the records and exact claims from scratch, then audit; PROFILE=paper recomputes everything
# audit    train RUNS runs of the record again, drawn with SEED, and compare
# record   execute stale chapters at the paper profile and replace the committed record
# full     make the runs over all pairs of classes, in hours, and replace the committed table; resumes
# launch   write the notebooks that the launch buttons open, in Binder and Colab, into _build/launch
# mutants  change the core in MUTANTS random places, drawn with SEED, and count the changes that its tests notice
# course   build the assignments into _build/course: for students, for the autograder and for the instructor
# PYTHON names the Python that makes the environment; TORCH=cpu takes the build of torch without CUDA.
PYTHON ?= python3
VENV ?= .venv
TORCH ?= default
RUNS ?= 20
SEED ?= 7
MUTANTS ?= 400
PY := $(VENV)/bin/python
export PYTHONUNBUFFERED := 1
# What the shell tells pip about other places would lead out of the environment.
export PIP_USER := 0
unexport PIP_TARGET PIP_PREFIX PIP_ROOT

# The CUDA build's libraries stand in the lock, too; the CPU build does without.
LOCK = $(if $(filter cpu,$(TORCH)),grep -Ev '^(cuda|nvidia|triton==)',cat) requirements.txt
INSTALL = $(PY) -m uv pip install --quiet --python $(PY) --compile-bytecode $(if $(filter cpu,$(TORCH)),--torch-backend cpu)

.PHONY: book html pdf test verify audit record full reference launch course bench mutants lock clean unbroken

book: $(VENV)/.ready
	$(PY) -m companion.build.execute quick
	$(PY) -m companion.pages.render _build/notebooks/quick

html: $(VENV)/.ready
	$(PY) -m companion.pages.render book

pdf: $(VENV)/.ready
	$(PY) -m companion.pages.pdf

test: $(VENV)/.ready
	$(PY) -m pytest -q

verify: $(VENV)/.ready
	$(PY) -m companion.build.verify $(PROFILE) --runs $(RUNS) --seed $(SEED)

audit: $(VENV)/.ready
	$(PY) -m companion.build.audit --runs $(RUNS) --seed $(SEED)

record: $(VENV)/.ready
	$(PY) -m companion.build.execute record

full: $(VENV)/.ready
	$(PY) -m companion.build.full_record

reference: $(VENV)/.ready
	$(PY) -m companion.build.execute reference

launch: $(VENV)/.ready
	$(PY) -m companion.pages.launch _build/launch

course: $(VENV)/.ready
	$(PY) -m companion.teaching.build

bench: $(VENV)/.ready
	$(PY) -m benchmarks

mutants: $(VENV)/.ready
	$(PY) -m benchmarks.mutants --number $(MUTANTS) --seed $(SEED)

lock: $(VENV)/.ready
	$(PY) -m uv pip compile --quiet --universal --python-version 3.11 requirements.in --output-file requirements.txt

clean:
	rm -rf _build mutants

# An upgrade of the system's Python leaves links to one that is gone, and an environment that looks ready.
unbroken:
	@test ! -L $(PY) || test -e $(PY) || { echo "$(PY) leads to a Python that is gone: delete $(VENV) and run make again" >&2; exit 1; }

$(VENV)/.ready: requirements.txt pyproject.toml | unbroken
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed; name it with PYTHON=...')"
	@echo "Setting up $(VENV): some minutes, and some gigabytes, the first time"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@for tool in "uv --version" "pip --version" "ensurepip --default-pip"; do $(PY) -m $$tool >/dev/null 2>&1 && exit; done; \
	echo "$(VENV) has no pip and cannot get it: install Python's venv (python3-venv), or delete $(VENV), and run make again" >&2; exit 1
	@$(PY) -m uv --version >/dev/null 2>&1 || $(PY) -m pip install --quiet $(shell grep '^uv==' requirements.txt)
	@$(LOCK) | $(INSTALL) -r - -e '.[book]'
	@touch $@
