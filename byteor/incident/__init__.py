"""Incidents: what a run captures, the bundle made of it, its replay, and the explanation of a difference."""
