# Two commands do everything: `make demo` and `make test`. Each installs what it needs on a fresh Debian machine with
# Rust. `make check` is the fast inner loop and installs nothing.

CARGO ?= cargo
FEED ?=

.PHONY: help demo test check fmt deny docs build clean-demo

help:
	@echo 'make demo            build, mirror the shipped upstream twice, diff, publish, install with dnf'
	@echo 'make demo FEED=URL   the same with any real RPM repository'
	@echo 'make test            install what the tests need (Debian), then run every test and check'
	@echo 'make check           the inner loop: format, lints, unit tests'
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
