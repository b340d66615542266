# Every command is a script that runs by itself (`zx scripts/NAME.mts --help`); these are the short names.
# ARGS is handed on: `make build ARGS=--validate-only`.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
# A set-up that failed halfway must not look finished.
.DELETE_ON_ERROR:

OS ?= debian
ARGS ?=
GUESTS ?= sim
# Of vitest.config.mts, for `make vitest`.
PROJECTS ?= unit lab e2e

system_path := $(PATH)
# The Node.js that runs TypeScript, zx and every other tool of ours come from node_modules.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

installed := node_modules/.package-lock.json
reports := .proxmint/reports
bats_files := $(wildcard test/bats/*.bats)
reported = --reporter=default --reporter=json --outputFile.json=$(reports)/$(1).json

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## */\1|/' | \
	  while IFS='|' read -r target text; do printf '  make %-14s %s\n' "$$target" "$$text"; done

# npm must not run on the Node.js that it is about to replace.
$(installed): export PATH := $(system_path)
$(installed): package.json package-lock.json lab/package.json
	npm ci
	@tools/check-node.sh
	@touch $@

.PHONY: setup
setup: $(installed) ## find or install everything proxmint uses
	@zx scripts/setup.mts $(ARGS)

.PHONY: demo
demo: $(installed) ## set up and run the main job on the embedded Proxmox VE (GUESTS=qemu: real machines)
	@zx scripts/setup.mts --for demo
	@if [ $(GUESTS) = qemu ]; then zx scripts/setup.mts --for qemu; fi
	@zx scripts/demo.mts --guests $(GUESTS) $(ARGS)

.PHONY: test
test: setup-test lint typecheck vitest bats ## set up, check the code, run the tests

.PHONY: test-nightly
test-nightly: setup-test vitest-nightly ## set up, run the tests that take long: real machines, the whole demo, ...

# Without QEMU the tests on real machines say that they are skipped, and why.
.PHONY: setup-test
setup-test: $(installed)
	@zx scripts/setup.mts --for test
	@zx scripts/setup.mts --for qemu || true

# What a check leaves in $(reports) is what .ci/run counts.
.PHONY: lint
lint: $(installed) ## check style and spelling
	@mkdir -p $(reports) && rm -f $(reports)/lint.passed
	@npm run --silent lint
	@touch $(reports)/lint.passed

.PHONY: typecheck
typecheck: $(installed) ## check types
	@mkdir -p $(reports) && rm -f $(reports)/typecheck.passed
	@npm run --silent typecheck
	@touch $(reports)/typecheck.passed

.PHONY: vitest
vitest: $(installed)
	@mkdir -p $(reports)
	@vitest run $(PROJECTS:%=--project=%) $(call reported,vitest) $(ARGS)

.PHONY: vitest-nightly
vitest-nightly: $(installed)
	@mkdir -p $(reports)
	@vitest run --project=nightly $(call reported,nightly) $(ARGS)

.PHONY: bats
bats: $(installed)
ifneq ($(bats_files),)
	@mkdir -p $(reports)
	@node_modules/bats/bin/bats --formatter tap test/bats | tee $(reports)/bats.tap
endif

.PHONY: secrets
secrets: $(installed) ## make an age identity and the encrypted credentials file
	@zx scripts/credentials.mts init $(ARGS)

.PHONY: check
check: $(installed) ## compare the privileges needed with those granted
	@zx scripts/check-permissions.mts $(ARGS)

.PHONY: doctor
doctor: $(installed) ## look at everything: every fault at once, each with its fix
	@zx scripts/doctor.mts $(ARGS)

.PHONY: base
base: $(installed) ## import the cloud image that templates are built from (OS=debian)
	@zx scripts/base.mts import $(OS) $(ARGS)

.PHONY: build
build: $(installed) ## build a template (OS=debian)
	@zx scripts/build.mts $(OS) $(ARGS)

.PHONY: templates
templates: $(installed) ## list versions and channels (ARGS='prune --dry-run')
	@zx scripts/templates.mts $(or $(ARGS),list)

.PHONY: vm
vm: $(installed) ## list VMs (ARGS='create web-1 --apply')
	@zx scripts/vm.mts $(or $(ARGS),list)

.PHONY: apply
apply: $(installed) ## make VMs that are only reserved, apply what differs (ARGS=web-1)
	@zx scripts/apply.mts $(ARGS)

.PHONY: contract
contract: $(installed) ## the contract of access credentials: ARGS=deploy or ARGS=show
	@zx scripts/contract.mts $(ARGS)

.PHONY: mint
mint: $(installed) ## mint an access credential: ARGS='--owner-wallet 0x... --machine-id NAME'
	@zx scripts/mint.mts $(ARGS)

.PHONY: events
events: $(installed) ## list mints and transfers of access credentials (ARGS=--follow)
	@zx scripts/events.mts $(ARGS)

.PHONY: gc
gc: $(installed) ## tell which VMs expired (ARGS=--execute: suspend or destroy them)
	@zx scripts/gc.mts $(ARGS)

.PHONY: reconcile
reconcile: $(installed) ## compare registry, folders, Proxmox and chain
	@zx scripts/reconcile.mts $(ARGS)

.PHONY: report
report: $(installed) ## write an HTML page of templates, VMs, addresses and runs
	@zx scripts/report.mts $(ARGS)

.PHONY: bench
bench: $(installed) ## run the benchmarks and write docs/benchmarks.md (ARGS=startup)
	@node bench/all.mts $(ARGS)

.PHONY: lab
lab: $(installed) ## run the embedded Proxmox VE in the foreground
	@zx scripts/lab.mts up $(ARGS)

# ARGS=--clean removes what a killed one made.
.PHONY: trial
trial: $(installed) ## try proxmint on your own Proxmox, and remove all that it made
	@zx scripts/trial.mts $(ARGS)

# Not all of .proxmint: it also remembers what was begun on Proxmox and must still be cleared up there.
.PHONY: clean
clean: ## remove what can be made again (the tools outside the work tree stay)
	rm -rf node_modules coverage lab/dist $(reports)
