//! Tests of the guarded client: its table of forbidden addresses, and that nobody goes round it.
