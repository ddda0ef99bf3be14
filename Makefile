# Two commands to know: `make run` and `make test`. `make help` lists the rest.
# Plain GNU make on a fresh Debian 12; each target installs the Debian packages it needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# How many compilers run at a time.
JOBS ?= $(shell nproc)
# The recording that `make run` replays: a folder of tests/recordings.
RECORDING ?= s02-helm
# The test programs that have threads in them and run clean under the thread sanitizer; the rest is pure, or runs
# other programs.
THREADED_TESTS = actors_test http_client_test kube_test runtime_test store_test
# How long `make soak` lets it storm, and how many storms.
SOAK_SECONDS ?= 900
SOAK_SEEDS ?= 1
export JOBS

.PHONY: help deps build run test tsan fuzz e2e soak bench lint format check-fresh clean

help: ## List the targets
	@echo "trace-controller: one true trace for every change that Flux brings into a cluster"
	@echo
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1@\2/p' Makefile | column -t -s @ 2>/dev/null || sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1: \2/p' Makefile
	@echo
	@echo "Variables: JOBS=$(JOBS) RECORDING=$(RECORDING) (a folder of tests/recordings)"

deps: ## Install the Debian packages needed to build and test
	@scripts/install-deps build

build: deps ## Build build/trace-controller
	@scripts/build build trace-controller

run: build ## Build, replay a recording of real Flux controllers and show its traces
	@scripts/replay-recording $(RECORDING)

test: deps ## Build and run all tests, then again under the address and undefined-behaviour sanitizers
	@scripts/build build
	@scripts/run-ctest build
	@scripts/build build-asan -DTC_SANITIZE=address,undefined
	@scripts/run-ctest build-asan
	@scripts/sum-tests build/ctest.xml build-asan/ctest.xml

tsan: deps ## Run the tests with threads in them under the thread sanitizer (builds CAF from source)
	@scripts/build-caf-tsan build-tsan/caf
	@scripts/build build-tsan -DTC_SANITIZE=thread -DCAF_ROOT=$(CURDIR)/build-tsan/caf $(THREADED_TESTS)
	@scripts/run-ctest build-tsan --exclude-regex '_NOT_BUILT$$|^(recordings|check_posts|replay|program|deploy|docs|structure)[.]'
	@scripts/sum-tests build-tsan/ctest.xml

fuzz: deps ## Fuzz every parser of outside bytes for FUZZ_SECONDS (60) each, under sanitizers (needs clang)
	@scripts/install-deps fuzz
	@scripts/fuzz

e2e: deps ## End to end: real API server, Flux controllers, Collector and Jaeger (needs Go)
	@scripts/build build trace-controller storm storm_server
	@scripts/install-deps chaos || echo 'e2e: the chaos run goes without clock steps'
	@tests/e2e/run

soak: deps ## Faults under a storm for SOAK_SECONDS (900), then as many seeds as SOAK_SEEDS (1)
	@scripts/build build trace-controller storm storm_server
	@scripts/install-deps chaos
	@for seed in $$(seq 1 $(SOAK_SEEDS)); do python3 -B tests/storm/chaos.py build/storm build/storm_server build/trace-controller --seconds $(SOAK_SECONDS) --seed $$seed || exit 1; done

bench: deps ## Build and run the benchmarks, write build/bench.json
	@bench/run

lint: deps ## Check formatting and run clang-tidy on what differs from the main branch
	@scripts/install-deps lint
	@scripts/lint

format: ## Format all sources
	@scripts/install-deps lint
	@git ls-files -z '*.hpp' '*.cpp' | xargs -0 -r clang-format -i

check-fresh: ## Prove `make run` and `make test` in a fresh Debian 12 chroot (needs root)
	@scripts/install-deps fresh
	@scripts/check-fresh-machine

clean: ## Remove everything that was built
	@rm -rf build build-asan build-tsan build-bench build-fuzz
