"""Topological order (Kahn 1962, smallest node first) and, where there is none, a cycle to show."""

from __future__ import annotations

import heapq
from collections.abc import Collection


def topological_order(edges: list[list[int]]) -> list[int]:
    """Kahn's order of nodes 0..n-1, smallest first; ``edges[i]`` lists what i waits for.

    Shorter than n when there is a cycle: its nodes, and those behind them, are left out.
    """
    waiting = [len(needs) for needs in edges]
    followers: list[list[int]] = [[] for _ in edges]
    for node, needs in enumerate(edges):
        for need in needs:
            followers[need].append(node)
    ready = [node for node, count in enumerate(waiting) if count == 0]
    order: list[int] = []
    while ready:
        node = heapq.heappop(ready)
        order.append(node)
        for follower in followers[node]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(ready, follower)
    return order


def find_cycle(needs: list[list[int]], sorted_nodes: Collection[int]) -> list[int]:
    """A cycle among the nodes that ``topological_order`` left out, smallest node first.

    Every such node waits for another such node, so walking that way must come back to where it was.
    """
    node = next(index for index in range(len(needs)) if index not in sorted_nodes)
    seen: dict[int, int] = {}
    path: list[int] = []
    while node not in seen:
        seen[node] = len(path)
        path.append(node)
        node = next(need for need in needs[node] if need not in sorted_nodes)
    cycle = path[seen[node] :]
    start = cycle.index(min(cycle))
    return cycle[start:] + cycle[:start]
