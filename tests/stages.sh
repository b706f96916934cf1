# shellcheck shell=bash
# The stages of ./tests/run, which sources this: each runs in a shell of its own, its output in a log.

# suite FILTER...: runs tests by nextest, or by cargo's own runner where it is missing. Most tests wait most of the time, so
# there are four for each processor; .config/nextest.toml says which take more.
suite() {
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --workspace --no-tests pass --test-threads $(($(nproc) * 4)) -E "$1"
  else
    shift
    cargo test --locked "$@"
  fi
}

stage_format() {
  component rustfmt fmt
  cargo fmt --all --check -- --color never
}

stage_lint() {
  component clippy clippy
  cargo clippy --locked --workspace --all-targets -- --deny warnings
}

stage_docs() { RUSTDOCFLAGS="--deny warnings" cargo doc --locked --workspace --no-deps; }

stage_build() {
  # Together, as `cargo run` has them: by themselves each would build everything with features of its own.
  cargo build --locked --release --package anteroom-server --package anteroom-examples --bin anteroom --examples
}

# Those that need a browser or Python have a stage of their own.
stage_tests() {
  package curl curl
  package kill procps
  # For one test, which does without them where it must.
  has node || install_packages nodejs
  has python3 || install_packages python3
  suite 'not (package(anteroom-tests) & (binary(browser) | test(/^stranger::/)))' \
    --workspace --lib --bins --tests --exclude anteroom-tests &&
    { cargo nextest --version >/dev/null 2>&1 || other_tests; }
}

other_tests() {
  cargo test --locked --workspace --no-fail-fast --test server --test program -- --skip stranger::
}

# What nobody has to wait long for: no whole server on real sockets, no program.
stage_crates() {
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --workspace --test-threads $(($(nproc) * 2)) --lib --test it -E 'not test(/^hung::/)'
  else
    cargo test --locked --workspace --lib --test it --no-fail-fast -- --skip hung::
  fi
}

stage_doctests() { cargo test --locked --workspace --doc --no-fail-fast; }

stage_sdk() {
  need_node
  if ! cmp -s crates/web/sdk/package-lock.json crates/web/sdk/node_modules/.installed; then
    (cd crates/web/sdk && npm ci --ignore-scripts --no-audit --no-fund && cp package-lock.json node_modules/.installed) ||
      skip "npm cannot install crates/web/sdk; is there a network?"
  fi
  (cd crates/web/sdk && npm run --silent build) || return
  # The tarball of the SDK is made anew, and what npm remembers of the last one is forgotten.
  (cd examples/browser/vite && rm -rf node_modules/@anteroom node_modules/.package-lock.json && npm run setup) ||
    skip "npm cannot install examples/browser/vite; is there a network?"
  if [ -z "${ANTEROOM_BIN:-}" ]; then
    cargo build --locked --package anteroom-server --bin anteroom || return
    export ANTEROOM_BIN=$TARGET/debug/anteroom
  fi
  (cd crates/web/sdk && node --test --test-reporter=tap --test-timeout=120000 test/*.test.mjs)
}

# need_browsers: both, and what drives them.
need_browsers() {
  package kill procps
  package openssl openssl
  need_node
  need_chromium
  need_firefox
  if ! cmp -s tests/browser/package-lock.json tests/browser/node_modules/.installed; then
    (cd tests/browser && npm ci --ignore-scripts --no-audit --no-fund && cp package-lock.json node_modules/.installed) ||
      skip "npm cannot install tests/browser; is there a network?"
  fi
}

stage_browser() {
  need_browsers
  suite 'package(anteroom-tests) & binary(browser)' --workspace --test browser -- --test-threads 2
}

stage_stranger() {
  package python3 python3
  cargo test --locked --workspace --test program stranger:: -- --nocapture --skip later_drafts
}

stage_webtransport() {
  need_pywebtransport
  cargo test --locked --workspace --test program later_drafts -- --nocapture
}

# Counts depend on the compiler, the processor and the C library; where these are others than those of the committed
# figures, nothing is wrong.
stage_instructions() {
  local said status=0
  said=$(benches/instructions --comparable) || status=$?
  echo "$said"
  if [ $status = 77 ]; then inapplicable "${said#skipped: }"; fi
  [ $status = 0 ] || return $status
  package valgrind valgrind
  benches/instructions
}

stage_licences() {
  # A build for debugging takes half the time, and is quick enough for this.
  cargo deny --version >/dev/null 2>&1 ||
    cargo install --locked --debug --root "$TOOLS" --target-dir "$TOOLS/build" cargo-deny --version '^0.20' ||
    skip "cargo-deny cannot be installed; is there a network?"
  cargo deny --locked check bans licenses sources
}

# --- the long run: what other stages do, with more of it ----------------------------------------------------------------

stage_stories() {
  SESSION_CASES=1000000 CARGO_PROFILE_TEST_OPT_LEVEL=2 CARGO_TARGET_DIR=$TARGET/optimized \
    cargo test --locked --package anteroom-core --test it lanes::stories
}

stage_seeds() { ANTEROOM_SEEDS=0..2000 cargo test --locked --workspace --test server simulation::; }

stage_lasting() {
  ANTEROOM_LASTING_SEEDS=0..100000 ANTEROOM_GATHERING_SEEDS=0..20000 CARGO_PROFILE_TEST_OPT_LEVEL=2 \
    CARGO_TARGET_DIR=$TARGET/optimized cargo test --locked --workspace --test server -- lasting:: gathering::
}

stage_restarts() { ANTEROOM_TEST_ROUNDS=2000 cargo test --locked --workspace --test program restart::whoever; }

stage_storm() { ANTEROOM_SESSIONS=1000 cargo test --locked --workspace --test server sessions_survive_forced_switches; }

stage_troubles() {
  need_browsers
  local seed status=0
  for seed in {1..10}; do
    ANTEROOM_SEED=$seed cargo test --locked --workspace --test browser twenty_switches || status=1
  done
  return $status
}

stage_views() {
  need_browsers
  ANTEROOM_VIEWS=all cargo test --locked --workspace --test browser views::every
}

stage_planted() { tests/planted-faults; }
