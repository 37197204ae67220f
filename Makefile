# "make help" (or "make" alone) shows the lines that begin with "##", each with the target or the variable below it.

# The models' names, from "load_models=mf=mf.mar,..." of TorchServe's configuration.
KNOWN := $(shell sed -n 's/^load_models=//p' config.properties | sed 's/=[^,]*//g; s/,/ /g')
## Which ratings: ml-100k, ml-1m, ml-latest-small, synthetic, synthetic:1m (5m, 25m, 100m), or a file of your own.
DATA ?= ml-100k
## Which models.
MODEL ?= $(KNOWN)
## The version that is packed (1.0 where none is given), registered, rolled out or unregistered.
VERSION ?=
## Settings of training: quick, or best (the highest quality).
PRESET ?= quick
## How many settings training tries on the validation rows first: TUNE=20. The preset's where nothing is given.
TUNE ?=
## What an archive is tuned for: throughput (many requests a second) or latency (one client).
PROFILE ?= throughput
## What an archive's network is: torchscript, or export (programs of torch.export).
FORMAT ?= torchscript
## How many movies are in each list of recommend.
K ?= 100
## Conditions on all movies of these lists: WHERE='{"category": ["Bikes"]}'. None where nothing is given.
WHERE ?=
## The two versions of an experiment: A=1.0 B=1.1.
A ?=
## The version of an experiment that a share of the users get.
B ?=
## The part of the users that get B, such as 0.1.
SHARE ?=
## Whether these users get lists with movies of both versions: INTERLEAVE=1.
INTERLEAVE ?=
## Whether the experiment ends: STOP=1.
STOP ?=
## Further options of training (or of an experiment): ARGS="--users users.csv --movies movies.csv" beside DATA=ratings.csv.
ARGS ?=
## What a new version may be worse by, and other options of a rollout: GATE="--metric 0.02 --keep --drain 5".
GATE ?=
## The store of events that retrain and autopilot add to DATA: a URL, or EVENTS_URL for the page's store; EVENTS= for none.
EVENTS ?= EVENTS_URL
## Added to every port, TorchServe's (config.properties) and the page's (8000): with 100 they are 8180 and 8100.
PORT_OFFSET ?= 0
export PORT_OFFSET
## The server: torchserve, or asgi, which needs no Java.
HOST ?= torchserve
## How many processes "make test" runs in; a test file is run by one of them.
TEST_PROCESSES ?= 2
## Where pip finds torch; CPU only, and several GB less: https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
## The Python that makes .venv.
PYTHON ?= python3.11

VENV := .venv
BIN := $(VENV)/bin
# TorchScript writes constants in the order of a set of strings, which Python draws anew at each start. With a fixed seed
# the same training writes the same bytes, and "make archive" finds the version that is there to be the same.
TRAINING := PYTHONHASHSEED=0 $(BIN)/python -m training
SERVING := $(BIN)/python -m serving
PAGE_RUNS := [ -f logs/web.pid ] && kill -0 $$(cat logs/web.pid) 2>/dev/null

.DEFAULT_GOAL := help
# Each target needs what the one before it made; with -j they would run at the same time.
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo install install-dev stubs data train archive ports serve stop status register unregister rollout rollback \
        retrain autopilot report recommend benchmark benchmark-quality docker web web-start web-stop forget experiment \
        experiment-report test test-slow lint format clean

# Checked before any training: are the server's ports free, is the version named?
ifneq ($(filter demo serve,$(MAKECMDGOALS)),)
demo train archive: ports
endif
ifneq ($(filter register unregister rollout,$(MAKECMDGOALS)),)
ifeq ($(VERSION),)
$(error VERSION is missing: make $(MAKECMDGOALS) MODEL=fm VERSION=1.1 would name one)
endif
endif

## What make can do, and with what.
help:
	@awk ' \
		/^## / { said = substr($$0, 4); next } \
		said && /^[a-z-]+:/ { sub(/:.*/, ""); targets = targets sprintf("  %-18s %s\n", $$0, said) } \
		said && /^[A-Z_]+ \?=/ { name = $$1; sub(/^[A-Z_]+ \?= ?/, ""); sub(/\$$\(KNOWN\)/, "$(KNOWN)"); \
			variables = variables sprintf("  %-12s %-14s %s\n", name, $$0, said) } \
		{ said = "" } \
		END { printf "make TARGET [VARIABLE=value ...]\n\n%s\nVariables, and what they are where nothing is given:\n\n%s", \
			targets, variables }' $(firstword $(MAKEFILE_LIST))

## Everything on a fresh machine: install, data, train, archive, serve, and one answer of each kind.
demo: train archive serve
	@$(SERVING) demo
	@$(MAKE) --no-print-directory web-start
	@echo; echo "The server is up; make status shows it, make stop ends it."

# --- installing

## Make .venv with what is pinned in requirements.txt.
install: $(VENV)/installed
## The same with what the tests need.
install-dev: $(VENV)/installed-dev

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.txt | $(BIN)/python
	$(if $(TORCH_INDEX),$(BIN)/pip install --quiet --index-url $(TORCH_INDEX) $(shell grep '^torch==' requirements.txt))
	$(BIN)/pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt requirements-web.txt $(VENV)/installed
	$(BIN)/pip install --quiet -r requirements-dev.txt
	@touch $@

## Make the Python modules of the gRPC APIs: TorchServe's, and the Open Inference Protocol.
stubs: client/stubs/inference_pb2.py client/stubs/open_inference_pb2.py

client/stubs/%_pb2.py: client/%.proto $(VENV)/installed
	@mkdir -p client/stubs
	$(BIN)/python -m grpc_tools.protoc -I client/stubs=client --python_out=. --grpc_python_out=. client/stubs/$*.proto

# --- from ratings to archives

## Fetch DATA, check it, and say what is in it.
data: install
	$(TRAINING) data --data $(DATA) $(ARGS)

# Training itself compares build/ with what is asked for, and does nothing where they agree. Before a rollout it measures
# the new version beside the running one. Before packing it looks whether that version is there already, of another log.
## Train MODEL on DATA, into build/; what is there already is left as it is.
train: install
	@for model in $(MODEL); do \
		running=$(if $(filter rollout,$(MAKECMDGOALS)),$$(ls model_store/$$model.mar 2>/dev/null)); \
		$(TRAINING) train $$model --data $(DATA) --preset $(PRESET) $(if $(TUNE),--tune $(TUNE)) \
			$(if $(filter archive demo,$(MAKECMDGOALS)),--packed-as model_store/$$model-$(or $(VERSION),1.0).mar) \
			$${running:+--running $$running} $(ARGS) || exit 1; \
	done

## Pack and check what was trained, as model_store/<model>-VERSION.mar.
archive: install
	@for model in $(MODEL); do \
		$(TRAINING) archive $$model --version $(or $(VERSION),1.0) --profile $(PROFILE) --format $(FORMAT) || exit 1; \
	done

## Show what training left, a page a model: reports/<model>.html.
report: install
	@for model in $(MODEL); do $(TRAINING) report $$model || exit 1; done

## Write lists of K movies for all users, a file a model: lists/<model>.parquet.
recommend: install
	@for model in $(MODEL); do \
		$(TRAINING) recommend $$model --k $(K) $(if $(WHERE),--where '$(subst ','\'',$(WHERE))') --out lists/$$model.parquet || exit 1; \
	done

# --- serving

## Say who else listens where TorchServe (and in a demo the page) would.
ports: install
	@$(SERVING) ports $(if $(filter demo,$(MAKECMDGOALS)),$(shell $(PAGE_RUNS) || echo --page))

## Start the server with what is in model_store/.
serve: install $(if $(filter asgi,$(HOST)),stubs)
	$(SERVING) start --host $(HOST)

## Stop the server and the page.
stop: install web-stop
	$(SERVING) stop

## Show models, versions, workers and queues.
status: install
	@$(SERVING) status

## Serve VERSION beside the default version.
register: install
	@for model in $(MODEL); do $(SERVING) register $$model --version $(VERSION) || exit 1; done

## Take VERSION out of service.
unregister: install
	@for model in $(MODEL); do $(SERVING) unregister $$model --version $(VERSION) || exit 1; done

## Make VERSION the default, unless a check beside the running version fails.
rollout: install
	@for model in $(MODEL); do $(SERVING) rollout $$model --version $(VERSION) $(GATE) || exit 1; done

## Return to the version before.
rollback: install
	@for model in $(MODEL); do $(SERVING) rollback $$model $(GATE) || exit 1; done

# What both nightly commands are told of a model. ARGS may have double quotes of its own.
NIGHTLY = $$model --profile $(PROFILE) --format $(FORMAT) \
	--train="--data $(DATA) $(if $(EVENTS),--events $(EVENTS) )--preset $(PRESET) $(subst ",\",$(subst \,\\,$(ARGS)))" $(GATE)

## The nightly command: train on DATA and EVENTS, pack as the next version, roll it out.
retrain: install
	@for model in $(MODEL); do $(SERVING) retrain $(NIGHTLY) || exit 1; done

# A model that is refused does not keep the next one from its run.
## The nightly command, guarded: retrain, compare, roll out, watch, roll back what does harm (docs/automation.md).
autopilot: install
	@status=0; for model in $(MODEL); do $(BIN)/python -m autopilot $(NIGHTLY) || status=1; done; exit $$status

# --- measuring

# The other servers have an environment of their own; wrk sends the requests to all of them.
.venv-benchmark/installed: requirements.txt benchmarks/serving/requirements.txt
	$(PYTHON) -m venv .venv-benchmark
	$(if $(TORCH_INDEX),.venv-benchmark/bin/pip install --quiet --index-url $(TORCH_INDEX) $(shell grep '^torch==' requirements.txt))
	.venv-benchmark/bin/pip install --quiet -r requirements.txt -r benchmarks/serving/requirements.txt
	@touch $@

## Measure our server beside others.
benchmark: .venv-benchmark/installed archive
	.venv-benchmark/bin/python -m benchmarks.serving

# Other recommender libraries, on the same splits; what has a record already is not measured again.
.venv-quality/installed: requirements.txt benchmarks/quality/requirements.txt
	$(PYTHON) -m venv .venv-quality
	$(if $(TORCH_INDEX),.venv-quality/bin/pip install --quiet --index-url $(TORCH_INDEX) $(shell grep '^torch==' requirements.txt))
	.venv-quality/bin/pip install --quiet -r requirements.txt -r benchmarks/quality/requirements.txt
	@touch $@

## Measure our models beside other libraries'.
benchmark-quality: .venv-quality/installed
	OMP_NUM_THREADS=1 TQDM_DISABLE=1 .venv-quality/bin/python -m benchmarks.quality $(ARGS)

## Build the image that serves.
docker:
	docker build -t recommender:cpu \
		--build-arg TORCH_INDEX=$(or $(TORCH_INDEX),https://download.pytorch.org/whl/cpu) .

# --- the page

$(VENV)/installed-web: requirements-web.txt | $(BIN)/python
	$(BIN)/pip install --quiet -r requirements-web.txt
	@touch $@

# The page asks the server that was started from here; where none runs, the page does not start.
## Run the page in the foreground.
web: install $(VENV)/installed-web
	@url=$${TORCHSERVE_URL:-$$($(SERVING) address)} && TORCHSERVE_URL=$$url $(BIN)/python -m web

# Prints the address when the page answers; a page that runs already is left alone.
## Start the page in the background.
web-start: install $(VENV)/installed-web
	@mkdir -p logs
	@$(PAGE_RUNS) || { url=$${TORCHSERVE_URL:-$$($(SERVING) address)} && { \
		TORCHSERVE_URL=$$url $(BIN)/python -m web >logs/web.log 2>&1 </dev/null & echo $$! >logs/web.pid; sleep 3; }; }
	@$(PAGE_RUNS) || { rm -f logs/web.pid; echo "The page did not start (logs/web.log):"; }
	@head -3 logs/web.log

# A shell has a variable USER of its own, which is not meant.
## Delete a person from the store of events: make forget USER=196.
forget: install $(VENV)/installed-web
	@[ "$(origin USER)" = "command line" ] || { echo "USER is missing: make forget USER=196 would name one" >&2; exit 2; }
	@TORCHSERVE_URL=$${TORCHSERVE_URL:-$$($(SERVING) address 2>/dev/null)} $(BIN)/python -m web forget "$(USER)"

# An experiment is about one model, whose versions it names.
## Send SHARE of the users to version B of MODEL and the others to A; with STOP=1, end that.
experiment: install $(VENV)/installed-web
	@[ "$(origin MODEL)" = "command line" ] || { echo "MODEL is missing: make experiment MODEL=deepfm A=1.0 B=1.1 SHARE=0.1" >&2; exit 2; }
	@[ -n "$(STOP)" ] || [ -n "$(A)" -a -n "$(B)" -a -n "$(SHARE)" ] || { \
		echo "A, B or SHARE is missing: make experiment MODEL=$(MODEL) A=1.0 B=1.1 SHARE=0.1; STOP=1 ends it" >&2; exit 2; }
	@TORCHSERVE_URL=$${TORCHSERVE_URL:-$$($(SERVING) address 2>/dev/null)} $(BIN)/python -m experiments \
		$(if $(STOP),stop "$(MODEL)",start "$(MODEL)" --a "$(A)" --b "$(B)" --share "$(SHARE)" $(if $(INTERLEAVE),--interleave) $(ARGS))

## Show what the versions of an experiment earn, also as a page: reports/experiment-<model>.html.
experiment-report: install $(VENV)/installed-web
	@for model in $(MODEL); do $(BIN)/python -m experiments report $$model || exit 1; done

## Stop the page that runs in the background.
web-stop:
	@[ ! -f logs/web.pid ] || { kill $$(cat logs/web.pid) 2>/dev/null || true; rm -f logs/web.pid; }

# --- checking

## Run what CI runs.
test: install-dev stubs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -m "not slow" -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

## Run the tests that take minutes.
test-slow: install-dev stubs
	$(BIN)/python -m pytest -m slow

## Check the code's style.
lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

## Mend the code's style.
format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

## Remove build, runs, logs, reports, lists and the prepared columns of large logs; model_store and data sets stay.
clean:
	rm -rf build runs logs reports lists data/prepared
