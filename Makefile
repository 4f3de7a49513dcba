PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Tests at a time: as many as a small machine has cores.
WORKERS ?= 2
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

PYTEST := $(BIN)/pytest -n $(WORKERS) --dist worksteal

.PHONY: demo test test-all lint docs bench soak learn2learn plugins browser clean

demo: $(STAMP)
	$(BIN)/xlt run --recipe best/ner

# What everyone runs before each commit; tests/tiers.py says what a slow test is.
test: $(STAMP) .venv/.learn2learn
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

# All tests: those of `make test`, the slow ones, and those of the plugins.
test-all: test plugins
	$(PYTEST) -m slow $(PYTEST_ARGS)
	PYTHONPATH=.venv/plugins $(PYTEST) plugins

# Beside the package, not into it: the suite above runs without them.
plugins: $(STAMP) .venv/.learn2learn
	rm -rf .venv/plugins
	$(PIP) --no-deps --no-build-isolation --target .venv/plugins ./plugins/xltransfer-*/

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, in build/docs: warnings are errors, and no network is needed. Its reference imports every part.
docs: $(STAMP) .venv/.learn2learn
	$(BIN)/sphinx-build -W --keep-going --quiet -b html docs build/docs

bench: $(STAMP)
	$(BIN)/pytest benchmarks --benchmark-only

# Random kills and corruptions; every resumed run is compared with an uninterrupted one. About ten minutes.
soak: $(STAMP)
	$(BIN)/python benchmarks/soak.py --kills 200 --seed 0 --json benchmarks/results/soak.json $(SOAK_ARGS)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable '.[dev]'
	touch $@

# Its C files are older than Python 3.11; they are made anew. Nothing else comes with it: not gym, not torchvision.
learn2learn: .venv/.learn2learn

.venv/.learn2learn: $(STAMP)
	$(PIP) --upgrade pip setuptools wheel 'cython>=3'
	CYTHON_FORCE_REGEN=1 $(PIP) --no-deps --no-build-isolation -C--global-option=build_ext learn2learn==0.2.0
	$(BIN)/python -W error -c 'import xltransfer.backends.learn2learn, transformers'
	touch $@

# What tests/report needs: headless Chromium (Debian's, unless there is one), playwright, and axe-core.
browser: .venv/.browser

.venv/.browser: $(STAMP) tests/report/package-lock.json
	for name in chromium-headless-shell chromium chromium-browser google-chrome; do command -v $$name && exit; done; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell
	$(PIP) playwright
	npm ci --prefix tests/report --no-audit --no-fund
	touch $@

clean:
	rm -rf .venv build *.egg-info
