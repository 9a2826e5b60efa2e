# The project's commands; .ci/run calls the same. The environment .venv is created on first use.
PYTHON ?= python3
BIN := .venv/bin
# Python compiles what it imports; compiling all 25,000 files at installation takes a minute.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-compile --constraint constraints.txt
URL ?= http://127.0.0.1:8080
USERS ?= 8
SECONDS ?= 60

.PHONY: help install lint test test-ray image docs serve demo gateway monitor stop load capacity overload chaos bench bench-gpu peers fuzz clean
.DELETE_ON_ERROR:

help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .venv

# What a server needs; the stamps make a second `make serve` start at once.
.venv/.serve: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable .
	@touch $@

.venv/.develop: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[dev,train]'
	@touch $@ .venv/.serve .venv/.gateway

.venv/.gateway: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[api-docs]'
	@touch $@

.venv/.ray: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[ray]'
	@touch $@

.venv/.peers: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[peers]'
	@touch $@

# The chat page has an environment of its own: Gradio 6 needs Pillow below 13, and the server keeps the newest.
.venv-demo/.ready: pyproject.toml demo/requirements.txt demo/constraints.txt | .venv/bin/python
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python -m pip install --disable-pip-version-check --no-compile --quiet --constraint demo/constraints.txt \
		--requirement demo/requirements.txt
	.venv-demo/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --editable .
	@touch $@

install: .venv/.develop ## install everything for development into .venv

lint: .venv/.develop ## check format, style, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: .venv/.develop .venv-demo/.ready ## run all tests, three files at a time
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-ray: .venv/.develop .venv/.ray ## run the tests that start a Ray cluster
	$(BIN)/python -m pytest -m ray tests/clients tests/live tests/deploy

image: .venv/.develop ## build the container's image, start it and ask it; needs root, buildah and mmdebstrap
	$(BIN)/python -m pytest -m image tests/deploy/test_image.py

docs: .venv/.develop ## build the documentation into site/; a dead link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

serve: .venv/.serve ## build the archives, start TorchServe, and ask it a question
	@$(BIN)/python scripts/serve.py start

demo: serve .venv-demo/.ready ## serve the chat page in front of the server, until Ctrl-C
	@.venv-demo/bin/python -m demo

gateway: .venv/.serve .venv/.gateway ## start nginx with TLS, API keys and limits in front of the running server
	@$(BIN)/python scripts/gateway.py start

monitor: .venv/.serve ## serve worker states and queue lengths to Prometheus on port 8083, until Ctrl-C
	@$(BIN)/python scripts/exporter.py

stop: ## stop what `make serve`, `make demo` and `make gateway` started
	@test ! -e run/gateway/nginx.pid || $(BIN)/python scripts/gateway.py stop
	@test ! -x $(BIN)/python || $(BIN)/python scripts/serve.py stop

load: .venv/.develop ## send load to the running server for a minute, and check its service levels
	$(BIN)/locust --locustfile loadtest/locustfile.py --headless --host $(URL) --users $(USERS) --spawn-rate $(USERS) \
		--run-time $(SECONDS)s --csv run/load --html run/load.html --plot run/load.png --only-summary $(LOAD)

overload: .venv/.develop ## send a dedicated server ten times what it can answer, for a minute
	$(BIN)/python -m loadtest.overload

chaos: .venv/.develop ## break dedicated servers in ten ways, and report what clients saw
	$(BIN)/python -m loadtest.faults

capacity: .venv/.develop ## find the highest rate at which the running server keeps its service levels
	$(BIN)/python loadtest/capacity.py

bench: .venv/.develop .venv/.peers ## measure CPU time and latency against the bare model; report in run/bench
	$(BIN)/python -m loadtest.bench

bench-gpu: .venv/.develop ## the same on a GPU, and how busy it is
	$(BIN)/python -m loadtest.bench vilt --gpu --connections 1 --connections 16 --connections 64 --busy 64

peers: .venv/.develop .venv/.peers ## compare with other model servers on the same work; report in run/peers
	$(BIN)/python -m loadtest.peers

fuzz: .venv/.develop ## send 20,000 damaged and unusual requests to the running server
	$(BIN)/python -m loadtest.fuzz

clean: stop ## remove the environment, archives and caches
	rm -rf .venv .venv-demo run site work model_store/*.mar model_store/SHA256SUMS* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
