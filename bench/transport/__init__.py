"""Speed of the transport beside its peers and a plain-C limit, in one run: ``python -m bench.transport``."""
