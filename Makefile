# Every door to the project. `make` alone lists them.
CONFIGURATION ?= release
PREFIX ?= $(HOME)/.local

# Where Swift's installers put it, after what PATH already says.
export PATH := $(PATH):$(HOME)/.local/share/swiftly/bin:$(HOME)/.swiftly/bin:/opt/swift/usr/bin:/usr/local/swift/usr/bin

SOURCES := Package.swift Sources Tests
SCRIPTS := maru .ci/run $(wildcard scripts/*.sh Tests/*.sh Conformance/*.sh Benchmarks/*.sh Benchmarks/*/*.sh)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help build ready up up-p1 up-p2 up-p2-gpu up-p3 down down-p1 down-p2 down-p3 logs test bench-sandbox bench-tools bench-embedding bench-memory install format lint clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z].*:.*## / { printf "  %-28s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: ## build the program (CONFIGURATION=debug for a debug build)
	@scripts/bootstrap.sh build
	swift build -c $(CONFIGURATION) --product maru

# A fresh machine made ready to start: programs, build, settings, engine, models. Each is a no-op once done.
ready:
	@scripts/bootstrap.sh run
	swift build -c $(CONFIGURATION) --product maru
	@test -e .env || { install -m 600 .env.example .env && echo "wrote .env from .env.example"; }
	./maru engine install
	./maru models pull --default

up: ready ## make this machine ready, start everything, wait until it is healthy
	./maru up --wait

up-p1: ready ## gateway and chat model only
	./maru up --wait --profile p1

up-p2 up-p2-gpu: ready ## p1, code model, embedding, vectors, retrieval (a GPU is used where there is one)
	./maru up --wait --profile p2

up-p3: ready ## everything
	./maru up --wait --profile p3

down down-p1 down-p2 down-p3: ## stop whatever runs
	./maru down

logs: ## follow the logs of all services
	./maru logs --follow

test: ## build and run every test, the suites with real clients included
	@scripts/bootstrap.sh test
	Tests/run.sh
	Conformance/run.sh

bench-sandbox: build ## what a run in the sandbox adds (RUNS=200)
	./maru sandbox measure --runs $(or $(RUNS),200)

bench-tools: build ## measure checked and audited tool calls a second (needs wrk)
	@scripts/bootstrap.sh test
	MARU="$(CURDIR)/.build/$(CONFIGURATION)/maru" .venv/bin/python Benchmarks/tools/bench.py

bench-embedding: build ## measure how fast texts are embedded, by the encoder and by llama-server
	@scripts/bootstrap.sh test
	export MARU="$(CURDIR)/.build/$(CONFIGURATION)/maru" && . Conformance/prepare.sh && .venv/bin/python Benchmarks/embedding/bench.py

bench-memory: build ## measure a memory of a million conversations: save, search, expiry (SIZE=1000000)
	@scripts/bootstrap.sh test
	export MARU="$(CURDIR)/.build/$(CONFIGURATION)/maru" && . Conformance/prepare.sh && .venv/bin/python Benchmarks/memory/bench.py --size $(or $(SIZE),1000000) $(if $(VECTORS),--vectors $(VECTORS))

install: build ## copy the program to PREFIX/bin (PREFIX=~/.local)
	install -d "$(PREFIX)/bin"
	install -m 755 ".build/$(CONFIGURATION)/maru" "$(PREFIX)/bin/maru"

format: ## lay out the Swift sources
	swift format -i -r --parallel $(SOURCES)

lint: ## check the layout of the Swift sources, and the shell scripts
	@scripts/bootstrap.sh test
	swift format lint --strict -r --parallel $(SOURCES)
	shellcheck $(SCRIPTS)

clean: ## remove what was built; data, models and downloads stay
	rm -rf .build
