# Two commands do everything: `make demo` and `make test`. Each installs what it needs on a fresh Debian machine with
# Rust. `make check` is the fast inner loop and installs nothing. `make bench` compares with other tools.

CARGO ?= cargo
FEED ?=
QUICK ?=
BENCH ?=

.PHONY: help demo test check fmt deny docs build bench clean-demo

help:
	@echo 'make demo            build, mirror the shipped upstream twice, diff, publish, install with dnf'
	@echo 'make demo FEED=URL   the same with any real RPM repository'
	@echo 'make test            install what the tests need (Debian), then run every test and check'
	@echo 'make check           the inner loop: format, lints, unit tests'
	@echo 'make bench           measure against other tools and write docs/performance.md: half an hour, on a quiet machine'
	@echo 'make bench QUICK=1   three rounds and small repositories only: a few minutes'
	@echo 'make docs            write the generated parts of docs/ anew'

build:
	$(CARGO) build --release --locked -p chantal-cli

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
