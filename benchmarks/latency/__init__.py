"""From publish to durable. Empty on purpose: the publisher's process must not load what it does not use."""
