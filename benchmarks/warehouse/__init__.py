"""Log to warehouse. Empty on purpose: a peer's process must not load what it does not use."""
