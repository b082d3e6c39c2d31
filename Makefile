# Everything runs in .venv, which pip fills from the hash-pinned requirements; Poetry is needed by `make lock` alone.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first interpreter of a supported version that really starts; `make PYTHON=...` chooses another.
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& { echo "$$python"; break; }; done)
POETRY ?= poetry

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DOCTESTS := ai_detect $(wildcard README.md docs)
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
# The tests of a file share what is made for them: servers, browsers, clusters, trained models.
ON_ALL_CORES := --numprocesses=auto --dist=loadfile

.PHONY: help
help:  ## show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

.PHONY: run
run: .venv/main.stamp  ## train on the embedded sample, predict, show the results
	$(BIN)/python model.py train --dataset=data/sample/train.csv --tracking=none
	$(BIN)/python model.py predict --dataset=data/sample/test.csv
	@sed -n 1,6p data/results.csv
	@printf '%-14s %s\n' predictions data/results.csv 'trained model' model/ 'shared model' data/model/ log data/log_file.log

.PHONY: test
test: .venv/dev.stamp  ## run the tests with coverage, but for the slow ones (5 minutes)
	$(BIN)/python -m pytest $(ON_ALL_CORES) --cov -m 'not slow'

.PHONY: check
check: .venv/dev.stamp  ## format, lint, types, all tests, examples in the documentation, notebooks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(ON_ALL_CORES) --cov
	$(BIN)/python -m pytest --doctest-modules --doctest-glob='*.md' $(DOCTESTS) || test $$? -eq 5  # 5: no examples
	$(if $(NOTEBOOKS),$(BIN)/python -m pytest --nbmake $(NOTEBOOKS))

.PHONY: format
format: .venv/dev.stamp  ## put the code into the form that check asks for
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: build
build: .venv/dev.stamp  ## build the source archive, and the wheel from it, into dist/
	$(BIN)/python -m build --no-isolation

.PHONY: model
model: .venv/dev.stamp  ## make the model that ships in the wheel from the corpora in ../shared/data (maintainers)
	$(BIN)/python -m scripts.make_model

.PHONY: bench
bench: .venv/dev.stamp .venv-peers/peers.stamp  ## measure speed, memory and size beside scikit-learn, fastText and others (half an hour)
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.scaling
	$(BIN)/python -m benchmarks.training --share=0.1  # all of it takes scikit-learn most of an hour
	$(BIN)/python -m benchmarks.model_size
	$(BIN)/python -m benchmarks.instructions

.PHONY: bench-load
bench-load: .venv/dev.stamp  ## measure the service under load beside a minimal one (5 minutes; needs wrk)
	$(BIN)/python -m benchmarks.load

# What is profiled: `make profile DATASET=essays.csv` takes other labelled texts.
DATASET ?= data/sample/train.csv
PROFILER = $(BIN)/python -m pyinstrument --renderer=text --show-all --interval=0.005

.PHONY: profile
profile: .venv/dev.stamp  ## show where train and predict spend their time
	$(PROFILER) model.py train --dataset=$(DATASET) --tracking=none --model_dir=.profile/model --data_dir=.profile
	$(PROFILER) model.py predict --dataset=$(DATASET) --data_dir=.profile

.PHONY: bench-accuracy
bench-accuracy: .venv/dev.stamp .venv-peers/peers.stamp  ## measure accuracy beside other detectors (half an hour)
	$(BIN)/python -m benchmarks.accuracy --peers

# The other detectors' environment; the C file lets one of them load with glibc before 2.38, and says how.
.venv-peers/peers.stamp: benchmarks/requirements-peers.txt benchmarks/isoc23.c | .venv/created.stamp
	$(BIN)/python -m venv --clear .venv-peers
	echo '*' >.venv-peers/.gitignore
	.venv-peers/bin/python -m pip --disable-pip-version-check --quiet install -r $<
	-$(CC) -shared -fPIC -O2 -o .venv-peers/isoc23.so benchmarks/isoc23.c
	touch $@

.PHONY: container-test
container-test:  ## build the container image and use it as a user would (Docker, or as root Podman; some minutes)
	$(PYTHON) deploy/container/test.py

.PHONY: lock
lock:  ## lock the newest allowed versions again (maintainers; needs Poetry and its export plugin)
	$(POETRY) lock --regenerate
	$(MAKE) export

.PHONY: export
export:  ## bring the lock file and requirements/ in step with pyproject.toml, changing no more than needed
	$(POETRY) lock
	$(POETRY) check --lock
	$(POETRY) export --without-urls --with build --output requirements/main.txt
	$(POETRY) export --without-urls --with build --extras serve --output requirements/serve.txt
	$(POETRY) export --without-urls --with build,dev --all-extras --output requirements/dev.txt

.PHONY: clean
clean:  ## remove the environment, caches and builds; data, models and results stay
	rm -rf .venv .venv-peers .profile dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than what it was made from, so that a second call installs nothing.
.venv/created.stamp:
	$(if $(PYTHON),,$(error Python 3.11, 3.12 or 3.13 is needed and none was found: name one with PYTHON=/path/to/python))
	$(PYTHON) -m venv .venv
	touch $@

.venv/main.stamp: requirements/main.txt pyproject.toml | .venv/created.stamp
	$(PIP) install --require-hashes -r requirements/main.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

.venv/dev.stamp: requirements/dev.txt pyproject.toml | .venv/created.stamp
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch .venv/main.stamp $@
