"""What a sink may offer beside the contract, each a small protocol that is asked for once: `Supports...`."""
