"""Determinism: one recording under many conditions; the first stage that does not give the same is named."""
