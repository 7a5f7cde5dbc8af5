"""Replay: captured inputs through a spec in rings of its own; every output compared with the recorded one."""
