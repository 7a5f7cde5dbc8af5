"""Whole pipelines: a generator, stages, a sink that forgets; and what people would take instead."""
