# Shorthands; each is one command that can also be typed.

# Everything CI runs.
ci:
    ./.ci/run

# All tests, or those whose name contains NAME.
test *NAME:
    ./scripts/test {{NAME}}

# The gateway and a local Telnyx, wired together.
dev *ARGS:
    cargo run --release -- dev {{ARGS}}

# Kill the gateway ROUNDS times under load and compare with an outside ledger.
soak ROUNDS="1000":
    INLET_KILL_ROUNDS={{ROUNDS}} cargo test --release --locked -p inlet --test e2e -- --nocapture kill_test

# Acknowledged webhooks a second, latency and memory.
load *ARGS:
    cargo build --release
    cargo run --release -p inlet-bench -- load {{ARGS}}

# Everything beside its peers, in turns; writes a report into bench/results.
bench *ARGS:
    cargo build --release
    ./scripts/bench-peers
    cargo run --release -p inlet-bench -- full {{ARGS}}

# How long the sandbox takes from its start until it answers: median and slowest of 20.
start *ARGS:
    ./scripts/measure-start {{ARGS}}
