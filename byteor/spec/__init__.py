"""Plans and specs: read, validate, lower, hash, explain. Deterministic, without side effects."""
