# make demo: set up, then a whole upgrade of a simulated fleet. make test: set up, then every test except long rollouts on
# real servers and tests with real hosts, which make test-real runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
SET_UP := $(VENV)/.set-up
# Tests start fleet hundreds of times, so it is compiled once, before them.
unexport PYTHONDONTWRITEBYTECODE

# Tests that need only Python; a test that needs more names it: PostgreSQL, root, a browser.
PLAIN := tests/contract tests/playbooks tests/programs tests/property tests/simulation tests/store tests/web tests/vagrant \
	tests/machines/test_ssh.py tests/machines/test_ssh_settings.py tests/machines/test_known_hosts.py \
	tests/machines/test_ostree_program.py tests/machines/test_rauc.py tests/machines/test_snapper.py \
	tests/machines/test_flatcar_partitions.py tests/machines/test_capabilities.py
# Tests on real servers that start within seconds: the lab's API server, which Go builds once; kubectl; kind; ZooKeeper.
SERVERS := tests/cluster/test_agent.py tests/cluster/test_build.py tests/cluster/test_contract.py \
	tests/cluster/test_identity.py tests/cluster/test_install.py tests/cluster/test_job_hooks.py tests/cluster/test_kube.py \
	tests/cluster/test_lab.py tests/cluster/test_rest.py tests/cluster/test_restored_etcd.py tests/cluster/test_chart.py \
	tests/cluster/test_permissions.py tests/cluster/test_agent_attempts.py tests/cluster/test_custom_resources.py \
	tests/cluster/test_questions.py tests/chart tests/gates tests/registry tests/kubectl tests/kind tests/quorums
# Whole rollouts on the lab's API server with faults, kills and overload: minutes each.
ROLLOUTS := tests/cluster/test_kill_matrix.py tests/cluster/test_fencing.py tests/cluster/test_rollout.py \
	tests/cluster/test_weather.py tests/cluster/test_scheduler.py tests/cluster/test_returns.py \
	tests/cluster/test_control_plane.py tests/cluster/test_absence.py tests/cluster/test_annotation.py \
	tests/cluster/test_quorum.py tests/cluster/test_operator.py
# Hosts that reboot: tests that use both cores by themselves.
HOSTS := tests/machines/test_faults.py tests/machines/test_agents.py \
	tests/machines/test_operator.py tests/machines/test_stacked.py tests/machines/test_agent_faults.py tests/machines/test_without_agents.py \
	tests/machines/test_hosts.py::test_the_five_commands_of_the_readme_upgrade_them

# Tests that depend on the behaviour of an API server and an etcd.
BEHAVIOUR := tests/cluster/test_contract.py tests/cluster/test_kube.py tests/cluster/test_restored_etcd.py \
	tests/etcd/test_reading.py

.PHONY: set-up demo test test-real test-rollouts test-etcd test-hosts check check-quick unit golden lab machines \
	machines-test qemu newer soak hostile landings bench bench-plan live schemas lock sbom scan clean

set-up: $(SET_UP)

$(SET_UP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "fleet needs Python 3.11 or newer; PYTHON=... make $(MAKECMDGOALS) names another one" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(SET_UP)
	$(BIN)/fleet demo

# Half an hour on two cores, a fresh checkout's set-up included, and some ten minutes more the first time that Go builds the API
# server. What is left out for a missing program is named at the end, with what it needs.
# Three at a time on two cores: some of them wait for servers and timers.
test: check-quick
	$(PYTEST) -n 3 --dist loadfile tests/unit $(SERVERS) $(PLAIN)

# The rest: needs Go, root and Debian's packages of docs/machines.md, and some fifty minutes on two cores.
test-real: test-rollouts test-etcd test-hosts

test-rollouts: $(SET_UP)
	$(PYTEST) -n 2 --dist loadfile $(ROLLOUTS)

# One after another: they count elections, which a busy core delays.
test-etcd: $(SET_UP)
	$(PYTEST) tests/etcd

test-hosts: $(SET_UP)
	$(PYTEST) $(HOSTS)

# Style, types, import contracts and unit tests in parallel: a minute and a half on two cores.
check: $(SET_UP)
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target unit check-quick

unit: $(SET_UP)
	$(PYTEST) -n 2 -q tests/unit

# Writes the golden files of unit tests anew, after a change of what is printed: read `git diff` before you commit them.
golden: $(SET_UP)
	$(PYTEST) -n 2 -q tests/unit --rewrite-golden

check-quick: $(SET_UP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/zizmor --offline --quiet .github/workflows
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ansible-lint --offline playbooks

lab: $(SET_UP)
	$(BIN)/fleet lab up

# The same with three real hosts instead of fake nodes; needs root and what docs/machines.md names.
machines: $(SET_UP)
	$(BIN)/fleet lab up --machines 3

# Hosts that really reboot, built from Debian's packages and Go modules: some minutes the first time, then two. Needs root.
machines-test: $(SET_UP)
	$(PYTEST) tests/machines

# A virtual machine upgraded from one kernel to another, in software: five minutes, or twenty on a busy computer. Needs root.
qemu: $(SET_UP)
	$(PYTEST) -s tests/qemu

# The same tests on Kubernetes 1.37 with etcd 3.7 as on 1.36: seven minutes of building the first time, then five.
newer: $(SET_UP)
	FLEET_LAB_KUBERNETES=1.37 $(PYTEST) $(BEHAVIOUR)

# Ten thousand seeded histories, about a quarter of an hour on one core; then hostile hosts, and the landings.
soak: $(SET_UP)
	$(BIN)/fleet lab simulate --histories 10000
	$(MAKE) hostile
	$(MAKE) landings
	$(BIN)/python -m tests.soak.windows

# Three hundred hosts over real ssh connections, thirty of them hostile: does the rollout go on? About ten minutes.
hostile: $(SET_UP)
	$(BIN)/python -m tests.soak.hostile

# Three thousand small clusters on the real kube-scheduler: where do drained pods land? Needs Go; about half an hour.
landings: $(SET_UP)
	$(BIN)/python -m tests.cluster.placement --puzzles 3000

# Some fifty minutes; BENCH=--large adds 10,000 and 30,000 nodes. docs/performance.md describes the columns.
bench: $(SET_UP)
	@mkdir -p build
	$(BIN)/python -m bench.schedules --json build/schedules.json $(BENCH)
	$(BIN)/python -m bench.growth --json build/growth.json
	$(BIN)/python -m bench.status --json build/status.json
	$(BIN)/python -m bench.syncing --json build/syncing.json
	$(BIN)/python -m bench.questions --json build/questions.json
	$(BIN)/python -m bench.database --json build/database.json
	$(BIN)/python -m bench.quorum --json build/quorum.json
	$(BIN)/python -m bench.reading --json build/reading.json
	$(BIN)/python -m bench.reports --json build/reports.json
	$(MAKE) live

# Plans beside an older commit, which is taken from this repository, in turns; some twenty minutes on an idle machine.
bench-plan: $(SET_UP)
	@mkdir -p build
	$(BIN)/python -m bench.plan --json build/plan.json $(BENCH)

# The second half of it alone: 500 nodes on the lab's real API server; some nine minutes. Needs Go, as the lab does.
live: $(SET_UP)
	@mkdir -p build
	$(BIN)/python -m bench.live --json build/live.json

schemas: $(SET_UP)
	$(BIN)/python docs/schemas/generate.py
	$(BIN)/python -m tools.crds.generate

# Writes docs/cli/ from the commands themselves.
.PHONY: reference
reference: $(SET_UP)
	$(BIN)/python -m tools.cli_pages

# Writes what the Helm chart has from elsewhere (tools/chart.py says from where), and deploy/manifests. Needs Go, which builds
# helm the first time.
.PHONY: chart
chart: $(SET_UP)
	$(BIN)/python -m tools.chart

# The documentation as a site, in build/site. The first time it installs what builds it; building needs no network, and
# stops at a link or anchor that leads nowhere and at a page that would fetch something from elsewhere.
DOCS := build/docs-venv
.PHONY: docs
docs: $(SET_UP) $(DOCS)/.set-up
	$(BIN)/python -m tools.site gather build/pages
	$(DOCS)/bin/zensical build --clean --strict
	$(BIN)/python -m tools.site check build/site

$(DOCS)/.set-up: docs/requirements.lock
	$(PYTHON) -m venv --clear $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r docs/requirements.lock
	@touch $@

# The newest versions that pyproject.toml allows, with hashes and without the name of any index: of what builds the
# documentation, of all else that work on fleet needs, and the part of that which the image runs.
lock:
	uv pip compile --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--python-version 3.11 --group docs --upgrade -o docs/requirements.lock
	uv pip compile --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--python-version 3.11 --group dev --extra playbooks --upgrade pyproject.toml -o requirements.lock
	uv pip compile --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--python-version 3.11 --extra playbooks --constraints requirements.lock pyproject.toml -o deploy/requirements.lock

# Builds the image of controller and agents, as an OCI image layout in build/image, with lists of what is in it: two minutes.
# Needs mmdebstrap.
.PHONY: image image-test
image: $(SET_UP)
	rm -rf build/image
	$(BIN)/python -m tools.image build/image

# Builds it twice from nothing and runs what is in it: five minutes. Needs root, and Debian's mmdebstrap and skopeo.
image-test: $(SET_UP)
	$(PYTEST) tests/image

# Lists the image's Python packages, as CycloneDX: build/sbom.json. Needs no image; that of `make image` has Debian's too.
sbom: $(SET_UP)
	@mkdir -p build
	$(BIN)/python -m tools.sbom >build/sbom.json

# Builds what a release has, in dist: wheel, source, chart, manifests, bill of materials, SHA256SUMS. The same commit gives
# the same bytes. TAG=v0.1.0 refuses another version; KEY=FILE signs SHA256SUMS with an ssh key.
.PHONY: dist
dist: $(SET_UP)
	$(BIN)/python -m tools.dist --tag "$(TAG)" --key "$(KEY)"

# Finds known vulnerabilities of these packages in an unpacked copy of OSV's database of PyPI: make scan OSV=FOLDER. No
# network.
scan: $(SET_UP)
	$(BIN)/python -m tools.scan "$(OSV)"

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
