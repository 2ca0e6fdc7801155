# Each target makes the virtual environment that it needs; nothing has to be installed first
# but a Python of 3.11 or later.

PYTHON ?= python3
VENV ?= .venv
FUZZ_MINUTES ?= 30
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint tests tests-newer bench soak fuzz clean

demo: $(READY)  ## record a failing session against the simulated API, explain it, replay it
	@$(BIN)/python docs/demo.py

test: lint tests tests-newer  ## lint, types and the test suite, on a newer Python as well if there is one

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check wsproxy addons benchmarks
	$(BIN)/mypy

# They wait most of the time: more workers than processors.
tests: $(READY)
	$(BIN)/python -m pytest -n 4 --dist loadgroup

# Python 3.12 and later get mitmproxy 12, 3.11 gets mitmproxy 11: both are tested.
tests-newer: $(READY)
	@newer=$$($(BIN)/python .ci/newer_python.py); \
	if [ -z "$$newer" ]; then echo "no Python newer than $(BIN)/python found: tested on that one only"; \
	else $(MAKE) --no-print-directory tests PYTHON="$$newer" VENV=.venv-newer; fi

bench: $(READY)  ## side by side with bare mitmproxy and a plain relay; reading, listing, sizes; how late replay is
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.reading
	$(BIN)/python -m benchmarks.size
	$(BIN)/python -m benchmarks.explain
	$(BIN)/python -m benchmarks.replay

soak: $(READY)  ## the slow end of the tests; then fuzzing
	$(BIN)/python -m pytest -m soak -o timeout=0
	@$(MAKE) --no-print-directory fuzz

# Atheris has wheels for some versions of Python; on others this says that nothing was fuzzed.
fuzz: $(READY)  ## four targets for FUZZ_MINUTES each, two at a time; what is found goes to .fuzz
	-@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary atheris \
	  --editable '.[fuzz]'
	PYTHONPATH=tests $(BIN)/python -m fuzz --minutes $(FUZZ_MINUTES) --out .fuzz

clean:
	rm -rf .venv .venv-newer .fuzz .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "wsproxy needs Python 3.11 or later: make PYTHON=/path/to/python3"; exit 1; }
	@echo "setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@
