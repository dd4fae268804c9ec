# Runs in the project's own environment, which every target brings up to date first (seconds when nothing changed).
PYTHON ?= python3
run := scripts/env
MINUTES ?= 60
OUTPUT ?= soak
FUZZ ?= 100000

help:  ## show this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

setup:  ## make the environment: Python packages, ROS 2 unless one is sourced, messages, this package
	@$(PYTHON) scripts/setup

build: setup  ## the same: build again after a change of messages or of the list of files

demo: setup  ## show the skeleton of a rendered hand, computed by the real node
	@$(run) v2v demo

test: lint  ## lint, type check and test
	@$(run) pytest --quiet --no-header

lint: setup  ## lint and type check
	@$(run) ruff check --quiet
	@$(run) ruff format --check --quiet || { echo "not formatted; run: make format"; exit 1; }
	@$(run) mypy --no-error-summary

format: setup  ## format the Python code
	@$(run) ruff format --quiet

gpu: setup  ## train the full network in 25 minutes of a GPU, and measure it: GPU="--skeleton body15 --output FOLDER"
	@$(run) python scripts/full_network.py $(GPU)

benchmark: setup  ## measure speed and latency on this machine, and how fast datasets are read
	@$(run) v2v benchmark
	@$(run) env -u PYTHONSAFEPATH python test/bench_readers.py

soak: setup  ## watch memory, handles and latency of the nodes for MINUTES=60, into OUTPUT=soak
	@$(run) v2v soak --minutes $(MINUTES) --output $(OUTPUT)

fuzz: setup  ## feed FUZZ=100000 damaged inputs to all that reads what others wrote
	@$(run) python test/fuzz.py --inputs $(FUZZ)

audit: setup  ## licences and known vulnerabilities of all that is installed (needs the network)
	@$(run) python scripts/audit.py

clean:  ## remove what was built; the next build starts anew
	@rm -rf .colcon/build .colcon/install .colcon/log .colcon/stamp

distclean:  ## remove the whole environment
	@rm -rf .colcon .venv build *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache

.PHONY: help setup build demo test lint format benchmark gpu soak fuzz audit clean distclean
