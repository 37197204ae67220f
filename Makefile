# make demo: everything on a fresh machine, from download to served answers. make test: what CI runs.

PYTHON ?= python3.11
DATA ?= ml-100k
MODEL ?= mf fm deepfm
VERSION ?= 1.0
PRESET ?= quick
# Further options of training, such as ARGS="--users users.csv --movies movies.csv" beside DATA=ratings.csv.
ARGS ?=
# Where pip finds torch. On Linux plain pip takes the CUDA build of several GB; the CPU build is at
# TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
TRAINING := $(BIN)/python -m training
SERVING := $(BIN)/python -m serving

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: demo install install-dev data train archive serve stop status register test test-slow lint format clean

demo: train archive serve
	@$(SERVING) demo
	@echo; echo "TorchServe is up; make status shows it, make stop ends it."

# --- installing

install: $(VENV)/installed
install-dev: $(VENV)/installed-dev

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.txt | $(BIN)/python
	$(if $(TORCH_INDEX),$(BIN)/pip install --quiet --index-url $(TORCH_INDEX) $(shell grep '^torch==' requirements.txt))
	$(BIN)/pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	$(BIN)/pip install --quiet -r requirements-dev.txt
	@touch $@

# --- from ratings to archives

data: install
	$(TRAINING) data --data $(DATA) $(ARGS)

# What a model was trained on stands beside it, so that a second call with the same words does nothing.
train: $(MODEL:%=build/.trained-%)

build/.trained-%: build/.asked-% $(VENV)/installed $(wildcard training/*.py training/*/*.py)
	$(TRAINING) train $* --data $(DATA) --preset $(PRESET) $(ARGS)
	@touch $@

build/.asked-%: FORCE
	@mkdir -p build
	@echo "$(DATA) $(PRESET) $(ARGS)" | cmp -s - $@ || echo "$(DATA) $(PRESET) $(ARGS)" > $@

FORCE:

archive: install
	@for model in $(MODEL); do $(TRAINING) archive $$model --version $(VERSION) || exit 1; done

# --- serving

serve: install
	$(SERVING) start

stop: install
	$(SERVING) stop

status: install
	$(SERVING) status

register: install
	@for model in $(MODEL); do $(SERVING) register $$model --version $(VERSION) || exit 1; done

# --- checking

test: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -m "not slow"

test-slow: install-dev
	$(BIN)/python -m pytest -m slow

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build runs logs
