# `make` prints what can be made. Everything runs in .venv, which is made once and kept until the locked versions change.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

# The theme of the docs prints advice about its successors.
export NO_MKDOCS_2_WARNING := 1

# Where this is set, as in many containers, every process would compile all that it imports again, torch too: ten seconds.
unexport PYTHONDONTWRITEBYTECODE

DEMO := demo
DEMO_PAIRS := train=24,valid=4,test=4
SAMPLE := release-sample
SAMPLE_PAIRS := train=160,valid=20,test=20
SAMPLE_DATE := 2026-11-28

.DEFAULT_GOAL := help
.PHONY: help env demo release-sample test coverage check docs bench bench-gpu lock clean

help: ## print this
	@awk -F ' *## *' '/^[a-z-]+:.*## / { sub(/:.*/, "", $$1); printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: $(STAMP) ## make the environment in .venv (PYTHON=python3.12 chooses another Python, 3.11 or later)

# What one machine needs to build, train and extract: all that the demo waits for. The rest is for tests, clusters and stores.
# A torch of the locked version that is there already is kept, be it a CPU or a CUDA build: see CONTRIBUTING.md.
# --no-compile: Python compiles what it imports when it imports it, and most of this is never imported.
$(RUNS): requirements/lock.txt requirements/lock-nodeps.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rmod needs Python 3.11 or later: make env PYTHON=python3.11")'
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(BIN)/python -m ensurepip
	$(PIP) --constraint requirements/lock.txt --editable '.[codec,train,plots]'
	$(PIP) --no-deps -r requirements/lock-nodeps.txt
	@touch $@

$(STAMP): $(RUNS)
	$(PIP) -r requirements/lock.txt
	@touch $@

demo: $(RUNS) ## build a small data set from the sounds that ship, verify it, look and listen, train on it, extract a drum
	$(BIN)/rmod build quick --library builtin --out $(DEMO) --pairs $(DEMO_PAIRS) --workers 2 --shard-size 12 --codec mini
	$(BIN)/rmod verify $(DEMO) --rerender 4
	$(BIN)/rmod preview $(DEMO) --pairs 12
	$(BIN)/rmod train tiny --data $(DEMO) --out $(DEMO)-model --device cpu --workers 0
	tar -xf $(DEMO)/audio/test-000000.tar -C $(DEMO)-model test-00000000.mix.wav
	$(BIN)/rmod extract $(DEMO)-model/test-00000000.mix.wav --checkpoint $(DEMO)-model --out $(DEMO)-extracted --device cpu --windows 1 --tries 2
	@echo
	@echo "The demo is done. Open $(DEMO)-preview.html to listen to the pairs, and $(DEMO)-extracted/listen.html to what was extracted:"
	@echo "a model that learned for a minute knows little, so most answers are picked from the built-in sounds."
	@echo "Next: source .venv/bin/activate; rmod --help; rmod library scan YOUR_SOUNDS --out mine.csv"

# Small enough to look through. The notebook of the release for Kaggle is run by the tests.
release-sample: $(RUNS) ## build 200 pairs of the sounds that ship, and release them in all formats into release-sample/
	rm -rf $(SAMPLE)
	mkdir $(SAMPLE)
	$(BIN)/rmod build quick --library builtin --out $(SAMPLE)/data --pairs $(SAMPLE_PAIRS) --workers 2 --shard-size 50 --format flac --codec mini
	for format in plain kaggle huggingface; do \
	  $(BIN)/rmod release $(SAMPLE)/data --to $(SAMPLE)/$$format --format $$format --name rmod-sample --owner me \
	    --title "Random drum mixtures, a sample" --creator "The rmod developers" --date $(SAMPLE_DATE) || exit 1; \
	  $(BIN)/rmod release verify $(SAMPLE)/$$format || exit 1; \
	done

# The processes use all cores, so a library's own threads would only stand in each other's way.
test: env ## run the tests: ten minutes on two cores (TESTS=--long: the longest too, as CI does)
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadgroup $(TESTS)

# Worker processes add their data to files of their own, which are combined afterwards. The monitoring interface of Python
# 3.12 and later is several times cheaper than the tracing of Python 3.11, which makes the tests up to twice as long.
# A test that fails fails the target, but the page is written: the measurement takes as long as the tests.
coverage: env ## run all tests, and write the share of statements that they reach to docs/lab/coverage.md
	rm -rf .coverage
	@status=0; \
	COVERAGE_CORE=sysmon $(MAKE) --no-print-directory test TESTS="--long --cov --cov-report= $(TESTS)" || status=$$?; \
	$(BIN)/python benchmarks/coverage_by_room.py --lines || exit 1; \
	exit $$status

check: env ## lint, formatting, types, which room may import which, and the site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --quiet --strict

docs: env ## write the generated pages of docs/, and build the site in site/
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --quiet --strict
	@echo "open site/index.html"

BENCH_LIBRARY ?= builtin

bench: env ## measure the speed of everything in one run, and write it to docs/lab/performance.md (BENCH_LIBRARY=lib.csv)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/performance.py --library $(BENCH_LIBRARY) --write

GPU_OUT ?= gpu-results
MINUTES ?= 10

bench-gpu: env ## measure what this machine's GPU makes of rmod in MINUTES=10, into GPU_OUT=gpu-results
	$(BIN)/python benchmarks/gpu.py --part all --minutes $(MINUTES) --out $(GPU_OUT)

lock: ## write the versions in .venv to requirements/lock.txt
	@test -e $(STAMP) || { echo "only what the demo needs is in $(VENV): make env first" >&2; exit 1; }
	@{ sed -n '/^#/p' requirements/lock.txt; $(BIN)/python -m pip freeze --exclude-editable | sed 's/+[a-z0-9.]*$$//'; } > requirements/lock.new
	@mv requirements/lock.new requirements/lock.txt

clean: ## remove the demo, its page, the site and the caches of the tools; .venv stays
	rm -rf site $(DEMO) $(DEMO)-preview.html $(DEMO)-model $(DEMO)-extracted $(SAMPLE) .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis .coverage
