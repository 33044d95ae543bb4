# What can be done here. `make` alone lists it.

.PHONY: help demo test simulate fuzz test-live check bench install fmt lint doc
.DEFAULT_GOAL := help

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

demo: ## two sandbox sites come into step before your eyes
	@cargo build --locked --bin erpsync --example demo
	@cargo run --quiet --locked --example demo

test: ## all tests; needs no network and no site
	cargo test --workspace --locked

SEEDS ?= 2000
FIRST ?= 0
simulate: ## random histories under faults and kills: make simulate SEEDS=20000 FIRST=300
	ERPSYNC_SEEDS=$(SEEDS) ERPSYNC_FIRST=$(FIRST) cargo test --locked --lib simulation -- --nocapture

TARGET ?= form
SECONDS ?= 60
FUZZ = target/fuzz
fuzz: ## bytes that a fuzzer makes up: make fuzz TARGET=form SECONDS=60 (CONTRIBUTING.md)
	@mkdir -p $(FUZZ)/corpus/$(TARGET) $(FUZZ)/broken/$(TARGET)
	@cp Cargo.lock tests/fuzz/Cargo.lock
	cargo +nightly fuzz run --fuzz-dir tests/fuzz --target-dir $(FUZZ) --sanitizer none $(TARGET) \
	  $(FUZZ)/corpus/$(TARGET) tests/fuzz/corpus/$(TARGET) -- -max_total_time=$(SECONDS) \
	  -dict=tests/fuzz/words.dict -artifact_prefix=$(FUZZ)/broken/$(TARGET)/ -print_final_stats=1

test-live: ## the contract tests against real sites: ERPSYNC_LIVE=keys.json make test-live
	@test -n "$$ERPSYNC_LIVE" || { \
	  echo "make test-live writes to real sites: name the file with their addresses and keys,"; \
	  echo "ERPSYNC_LIVE=keys.json make test-live (CONTRIBUTING.md says what stands in it)"; \
	  exit 1; } >&2
	@cargo test --quiet --locked --test it -- --list real_sites | grep -q ': test$$' || { \
	  echo "make test-live: not in this version: there are no contract tests yet" >&2; exit 1; }
	cargo test --locked --test it -- --nocapture real_sites

check: fmt lint test doc ## everything that a change must pass

# Only the whole of it goes onto the page.
BENCH = $(if $(SIZES),--sizes $(SIZES) --large 0,) $(if $(RUNS),--runs $(RUNS)) \
        $(if $(LATENCY),--latency $(LATENCY)) $(if $(CASES),--cases $(CASES))
bench: ## how fast it is, onto docs/performance.md; a part: make bench SIZES=1000 RUNS=2
	@cargo build --release --locked --bin erpsync --example bench
	@target/release/examples/bench $(or $(strip $(BENCH)),--write docs/performance.md)

install: ## put the program into cargo's bin folder
	cargo install --locked --path .

fmt: ## is the source formatted?
	cargo fmt --all --check

lint: ## no warning of the compiler or of clippy
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --lib --locked -- --cfg fuzzing -D warnings

doc: ## the documentation of the code builds without a warning
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
