"""Executors: run a validated spec on IndexBus regions. Knows nothing of policy, approvals or screens."""
