# Two commands do everything: `make demo` and `make test`. Each installs what it needs on a fresh Debian machine with
# Rust. `make check` is the fast inner loop and installs nothing. `make bench` compares with other tools.

CARGO ?= cargo
FEED ?=
QUICK ?=
BENCH ?=
KILLS ?= 10000
CUTS ?= 3000
ERRORS ?= 2000
FLIPS ?= 1000
SYSTEMATIC ?= all
SEED ?= 42
FUZZ ?=
FUZZ_SECONDS ?= 60

.PHONY: help demo test check fmt deny docs build bench torture fuzz clean-demo

help:
	@echo 'make demo            build, mirror the shipped upstream twice, diff, publish, install with dnf'
	@echo 'make demo FEED=URL   the same with any real RPM repository'
	@echo 'make test            install what the tests need (Debian), then run every test and check'
	@echo 'make check           the inner loop: format, lints, unit tests'
	@echo 'make bench           measure against other tools and write docs/performance.md: half an hour, on a quiet machine'
	@echo "make bench BENCH='--pairs 2'   the same bars in two rounds"
	@echo 'make bench QUICK=1   three rounds and small repositories only: a few minutes'
	@echo 'make torture         faults of every kind, hours of them: KILLS=10000 CUTS=3000 ERRORS=2000 FLIPS=1000 SYSTEMATIC=all'
	@echo 'make torture QUICK=1 what make test does of it: a few minutes'
	@echo 'make fuzz            every fuzz target for FUZZ_SECONDS=60; needs nightly and cargo-fuzz, and says so'
	@echo "make fuzz FUZZ='query comps' FUZZ_SECONDS=600   some targets, longer"
	@echo 'make docs            write the generated parts of docs/ anew'

# What is delivered has no places where tests make something fail.
build:
	$(CARGO) build --release --locked -p chantal-cli
	! grep -q 'pool::rename::before' target/release/chantal

demo: build
	CHANTAL=$(CURDIR)/target/release/chantal FEED='$(FEED)' demo/demo.sh

test:
	scripts/install-test-needs
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	CHANTAL_REQUIRE_CLIENTS=1 $(CARGO) nextest run --workspace --locked --no-fail-fast
	$(CARGO) test --workspace --doc --locked --quiet
	$(MAKE) deny

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) nextest run --workspace --locked -E 'kind(lib) + kind(bin) + package(chantal-engine) + test(structure)'

fmt:
	$(CARGO) fmt --all

deny:
	$(CARGO) deny --locked check bans licenses sources

docs:
	CHANTAL_WRITE_DOCS=1 $(CARGO) nextest run --workspace --locked -E 'test(generated)'

# More options by BENCH, such as BENCH='--only S1,S2 --pairs 9'.
bench: build
	scripts/install-bench-needs
	$(CARGO) run --release --locked -p chantal-bench -- $(if $(QUICK),--quick) $(BENCH)

# The numbers are those of the release column of docs/reliability.md; SEED gives other faults. `kill` is the loop that
# aims at the steps of a sync, `bitrot` flips bytes.
torture:
	scripts/install-test-needs
	$(if $(QUICK),,CHANTAL_KILLS=$(KILLS) CHANTAL_KILL_POINTS=$$(( $(KILLS) / 10 )) CHANTAL_SYSTEMATIC=$(SYSTEMATIC) CHANTAL_CUTS=$(CUTS) \
	CHANTAL_MUTANT_CUTS=200 CHANTAL_ERRORS=$(ERRORS) CHANTAL_FAILPOINTS=1 CHANTAL_BITROT=$(FLIPS) CHANTAL_SEED=$(SEED)) \
	$(CARGO) nextest run --locked --no-fail-fast --success-output final -p chantal-cli \
	-E 'binary(torture) + binary(kill) + test(bitrot)'

# `make test` replays the seeds of every target on stable; this looks for new ones.
fuzz:
	FUZZ_SECONDS='$(FUZZ_SECONDS)' scripts/fuzz $(FUZZ)
