# The two commands are `make demo` and `make test`; everything they need they set up themselves.

PYTHON ?= python3
BIN := .venv/bin
# One more than the cores of a small machine: tests wait for servers and disks a third of their time.
WORKERS ?= 4
# A hub is started some hundred times by the tests; where this is set each of them would compile the whole of it again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: cluster demo test long console pictures check audit bench bench-console mutants oracle oracle-cluster conformance fuzz slow env servers npm lock format soak dist sbom docs clean

demo: env console
	@$(BIN)/cityhub demo

test: env servers npm console
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "not long and not slow"

# The whole system at length: machines that are lost in turn, ends by the oracle, long recordings, every store. `.ci/run` has them too.
long: env servers npm console
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "long and not slow"

# The pictures in docs/pictures/, of a real demo; one is Chinese.
pictures: console servers
	@sh tests/install.sh fonts-noto-cjk
	$(BIN)/python -m tests.dashboards.pictures

# What the console uses from others, into one file; the machine's npm, or the one of the environment.
console: env
	@$(BIN)/python -m dashboards.bundle

check: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Known vulnerabilities of all that the lock files pin; fails, and says so, where its source is not reached. AUDIT="--database PyPI.zip npm.zip" without internet.
audit: env
	$(BIN)/python -m tests.audit $(AUDIT)

# Prints figures; fails only where something does not run.
bench: env servers
	$(BIN)/python -m tests.bench

# How soon the console is there with 10,000 devices, how smoothly its map moves, what its heap does; in Chromium before a real hub.
# CONSOLE="--seconds 600" and the like.
bench-console: env console servers
	$(BIN)/python -m tests.bench.bench_console $(CONSOLE)

# Puts small mistakes into the code and prints the share that the tests notice; fails below 85 % in any part.
# PARTS="log cameras" limits it to these.
mutants: env servers
	$(BIN)/python -m tests.mutants $(PARTS)

# Ends hubs at random steps, cuts the power, makes the disk ill, and looks what became of everything they had acknowledged.
# ORACLE="--runs 200 --seed 7" and the like; `.venv/bin/python -m tests.oracle --help`.
oracle: env servers
	$(BIN)/python -m tests.oracle $(ORACLE)

# Two hubs with a log on a server: the one that works is killed or stopped, twenty times in turn. Then seven machines and three servers,
# of which one after another is killed, or restarted in order. SEEDS="1 2 3" LOSSES=20: more of it, chosen by these seeds.
oracle-cluster: env
	ORACLE_SEEDS="$(or $(SEEDS),1 2)" ORACLE_LOSSES="$(or $(LOSSES),10)" $(BIN)/pytest -s -m slow tests/acceptance/test_standby.py tests/acceptance/test_machines.py

# The demo's city on six machines and three servers of the log, all on this one; CLUSTER="--seconds 300" ends it by itself.
cluster: env console
	@$(BIN)/python -m tests.cluster $(CLUSTER)

# The SensorThings API under the conformance suite of OGC, and before a client written for FROST; both are Java and come by Maven.
conformance: env
	@sh tests/install.sh maven default-jdk-headless
	CI=true $(BIN)/pytest -s -m slow tests/conformance

# Inputs nobody meant, against every decoder, the loaders of rules and configuration, and the API; prints a table.
# FUZZ="decoder --seconds 600" and the like.
fuzz: env
	$(BIN)/python -m tests.fuzz $(FUZZ)

# What `make test` and `make long` leave out because it takes very long and adds little for each change: the longest recordings, floods of an hour, many kills.
slow: env servers npm console
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m slow --timeout 3600

# The whole city for an hour, with one trouble after another (SOAK="--seconds 600 --plot soak.svg"), then the slow tests.
soak: env servers
	$(BIN)/python -m tests.oracle.soak $(SOAK)
	@$(MAKE) slow

format: env
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

env: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	@echo "Building the environment in .venv (once) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "cityhub needs Python 3.11 or newer; this is $$($(PYTHON) --version)"; exit 1; }
	@$(PYTHON) -m venv .venv 2>/dev/null || { sh tests/install.sh python3-venv && $(PYTHON) -m venv .venv; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Real servers and peers that tests talk to; where they cannot be installed those tests say so.
servers:
	@sh tests/install.sh mosquitto influxdb chromium libcoap3-bin strace openssl sip-tester gpsd

# Schemas and Grafana's own code, by their lock file, before tests begin.
npm: env
	@command -v npm >/dev/null || sh tests/install.sh npm
	@$(BIN)/python -m tests.npm

# The wheel, and beside it a CycloneDX list of every package that it brings, with version and licence.
dist: sbom

sbom: env console
	@rm -rf dist && mkdir dist
	$(BIN)/python -m hatchling build -t wheel -d dist
	@$(BIN)/uv venv --quiet dist/env
	@$(BIN)/uv pip install --quiet --python dist/env/bin/python --constraint requirements.lock dist/*.whl
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --sv 1.6 -o dist/cityhub.cdx.json dist/env/bin/python
	@rm -rf dist/env

# The documentation site in dist/site; every link must lead somewhere.
docs: env
	$(BIN)/python -m docs.build_site

# Hashes, no addresses.
lock: env
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
