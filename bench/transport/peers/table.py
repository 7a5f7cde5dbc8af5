"""All peers, by name."""

from __future__ import annotations

from bench.transport.peers import brokers, shared_memory, standard

PEERS = {peer.name: peer for peer in (*standard.PEERS, *shared_memory.PEERS, *brokers.PEERS)}
