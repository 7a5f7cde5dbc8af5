"""IndexBus: bounded shared-memory lanes between threads and processes of one host."""
