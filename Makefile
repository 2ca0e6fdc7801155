# Each target makes the virtual environment that it needs; nothing has to be installed first
# but a Python of 3.11 or later.

PYTHON ?= python3
VENV ?= .venv
NEWER_VENV ?= .venv-newer
EXTRAS ?= test,docs
# Tests wait most of the time: more workers than processors. `make test` runs both Pythons at once.
WORKERS ?= 5
NEWER_WORKERS ?= 2
FUZZ_MINUTES ?= 30
# Percent of lines and branches.
FLOOR := 95
FLOOR_OF_READERS := 99
BIN := $(VENV)/bin
# What a user installs, and that with what the tests need.
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
COLLECTED := $(VENV)/.collected
MAKE_HERE := $(MAKE) --no-print-directory

# The tests start hundreds of processes; without bytecode each compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test sweep check docs generated environments lint tests fast-tests tests-newer legs clients coverage contract bench soak fuzz clean

demo: $(INSTALLED)  ## record a failing session against the simulated API, explain it, replay it
	@$(BIN)/python tools/demo.py

# The environments are made side by side; then both Pythons test, and the others one after another.
test:  ## lint, types, documentation and the test suite, on a newer Python as well if there is one
	@$(MAKE_HERE) -j 2 environments
	@$(MAKE_HERE) -j 3 tests tests-newer lint docs legs

# The rule: a test of many cases that differ in the data, not in the code that they reach, is a sweep
# (`@pytest.mark.sweep`, tests/support/sweeps.py). `make test` runs some cases of each kind: of each
# provider, API, rule, mode, carrier or container, of hostile traces and of the regular expressions of
# each package, spread evenly and the same in each run, so that what breaks a kind is noticed there.
# What breaks one case, such as the text of one condition, is noticed here, and CI runs both. Faults
# of the wire are complete in both, in each pair of schemes, and so are the places for a credential.
# On the newer Python, and as on other platforms, everything runs here, not only sweeps.
sweep:  ## the sweeps with all of their cases, of which `make test` runs a sample
	@$(MAKE_HERE) -j 2 environments
	@$(MAKE_HERE) -j 3 tests tests-newer legs CASES= MARKED="sweep and not soak" NEWER_TESTS=

check:  ## lint, types and the main tests that need no process and no connection: within a minute
	@$(MAKE_HERE) $(READY)
	@$(MAKE_HERE) -j 2 lint fast-tests

# All pages are read anew (-E): a changed option or docstring shows in pages that did not change.
docs: $(READY)  ## the documentation in docs/_build/html; warnings and dead links are errors
	$(BIN)/python -m sphinx -q -E -W --keep-going -n -d docs/_build/doctrees docs docs/_build/html

generated: $(READY)  ## what is made from output: the picture, two tables, console examples
	$(BIN)/python tools/picture.py > docs/explain.svg.new && mv docs/explain.svg.new docs/explain.svg
	$(BIN)/python tools/coverage.py > docs/coverage.md.new && mv docs/coverage.md.new docs/coverage.md
	$(BIN)/python tools/wild.py > docs/wild.md.new && mv docs/wild.md.new docs/wild.md
	$(BIN)/python tools/update_examples.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# MARKED: which tests. NEWER_TESTS: where the newer Python finds them; empty: everywhere.
# On the newer Python `make test` runs what runs inside mitmproxy: the proxy, the recorder, and SDKs
# and an API through them. `make sweep` runs everything there but what says the same on each Python:
# - `cost`: that processor time is linear and memory bounded.
# - `one_python`: many samples of what other tests run on both, where the code under test has no
#   event loop, thread, process or part of mitmproxy of its own: the catalog's conditions and
#   samples (simulated, explained, replayed from both ends and against each other, compared,
#   mutated), hostile and arbitrary traces, messages and records, places for a credential, long texts
#   that are redacted, what scrub, explain and the audio analysis say of many sessions, planted
#   faults, reported sessions, lost power, distill's strategies, each of 256 constant bytes, the
#   output in documents, and what only reads the source.
#   Of the SDKs, one of each kind (threads, asyncio, Node) runs on both, in recorded sessions, good
#   and stalled. Of load, distill, the index of list, the pytest plugin, shell completion and the
#   addons' options the usual runs do, the refusals do not. The relay passes every scenario on in
#   one mode with TLS and in one without, and some of them in each mode and pair of schemes.
# Run once more, and listed: a program of an SDK that hangs (tests/simulate/test_sdks.py), and a
# recorder that was killed on a busy machine (tests/recorder/test_kill.py). Of others the first
# failure counts, but in CI, which runs and lists them once more (RERUNS).
# CASES: of sweeps, a sample; empty: all.
MARKED ?= not soak
NEWER_MARKED ?= not soak and not cost and not one_python
TESTS ?=
NEWER_TESTS ?= tests/proxy tests/recorder tests/simulate/test_sdks.py tests/api/test_api_proxy.py
CASES ?= --sample
RERUNS ?= 0
tests: $(COLLECTED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -r R --reruns $(RERUNS) -m "$(MARKED)" $(CASES) \
	  $(TESTS)

fast-tests: $(READY)
	$(BIN)/python -m pytest -n 2 -m "fast and not soak and not cost and not one_python" $(CASES)

# Python 3.12 and later get mitmproxy 12, 3.11 gets mitmproxy 11: both are tested.
tests-newer: $(READY)
	+@newer=$$($(PYTHON) .ci/newer_python.py); \
	if [ -z "$$newer" ]; then echo "no Python newer than $(PYTHON) found: tested on that one only"; \
	else $(MAKE_HERE) tests PYTHON="$$newer" VENV=$(NEWER_VENV) EXTRAS=test \
	  WORKERS=$(NEWER_WORKERS) MARKED="$(NEWER_MARKED)" TESTS="$(NEWER_TESTS)"; fi

# What macOS and Windows lack, and mitmproxy, are hidden from the tests that this concerns.
legs: $(READY)
	$(BIN)/python tests/support/legs.py -- -r R --reruns $(RERUNS) $(CASES)

# Real clients of ten languages, direct and under `wsproxy run` (docs/clients.md). It needs Linux
# and namespaces. A client that cannot be had is skipped: the summary lists these, with the reason.
# In one process, which runs three programs at a time.
clients: $(READY)
	$(BIN)/python -m pytest -r s -m clients tests/clients

# The complete suite on one Python, sweeps with all of their cases, with the processes that it
# starts: measuring doubles the processor time, so it is not part of `make test`. The parts that read
# what strangers send have a floor of their own. Only the floors decide: `make test` and `make sweep`
# decide about the tests, which wait for conditions that take longer here.
coverage: $(READY)  ## branch coverage of the complete suite; an error below the floors
	$(BIN)/coverage erase
	-$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not soak and not cost" --cov --cov-report=
	$(BIN)/coverage report --include='wsproxy/wire/*,wsproxy/trace/*,wsproxy/redact/*' \
	  --fail-under=$(FLOOR_OF_READERS)
	$(BIN)/coverage report --fail-under=$(FLOOR)

contract:  ## what is used of mitmproxy's internals, on the version in between (PYTHON: 3.12 or later)
	$(PYTHON) -m venv .venv-contract
	.venv-contract/bin/python -m pip install --quiet --disable-pip-version-check \
	  --editable '.[test]' 'mitmproxy>=12.0,<12.1'
	.venv-contract/bin/python -m pytest tests/proxy/test_internals.py

environments: $(READY) environment-newer

.PHONY: environment-newer
environment-newer:
	+@newer=$$($(PYTHON) .ci/newer_python.py); \
	if [ -n "$$newer" ]; then $(MAKE_HERE) $(NEWER_VENV)/.ready PYTHON="$$newer" VENV=$(NEWER_VENV) EXTRAS=test; fi

bench: $(READY)  ## side by side with bare mitmproxy and a plain relay; reading, listing, sizes, redaction; how late replay is
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.reading
	$(BIN)/python -m benchmarks.size
	$(BIN)/python -m benchmarks.redaction
	$(BIN)/python -m benchmarks.explain
	$(BIN)/python -m benchmarks.replay
	$(BIN)/python -m benchmarks.catch

soak: $(READY)  ## the slow end of the tests; then fuzzing
	$(BIN)/python -m pytest -m soak -o timeout=0
	@$(MAKE_HERE) fuzz

# Atheris has wheels for some versions of Python; on others this says that nothing was fuzzed.
fuzz: $(READY)  ## four targets for FUZZ_MINUTES each, two at a time; what is found goes to .fuzz
	-@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary atheris \
	  --editable '.[fuzz]'
	PYTHONPATH=tests:tests/support $(BIN)/python -m fuzz --minutes $(FUZZ_MINUTES) --out .fuzz

clean:
	rm -rf .venv .venv-newer .venv-contract docs/_build .fuzz .coverage* .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(INSTALLED): pyproject.toml .ci/set_up.py
	@$(PYTHON) .ci/set_up.py $(VENV) '.[record]'
	@touch $@

$(READY): pyproject.toml .ci/set_up.py
	@$(PYTHON) .ci/set_up.py $(VENV) '.[$(EXTRAS)]'
	@touch $(INSTALLED) $@

# Python and pytest compile what the tests import, and these: once here, not once in each worker.
$(COLLECTED): $(READY)
	@$(BIN)/python -m pytest --collect-only -qq -m "$(MARKED)" $(TESTS) >/dev/null || true
	@touch $@
