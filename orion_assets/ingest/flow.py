"""The largest flow through a network of whole-number capacities, and the smallest cut that stops it (Dinic, 1970)."""

from collections import deque
from typing import Final

UNLIMITED: Final = 1 << 62


class Network:
    """Nodes 0 to `size` - 1 and directed edges; a flow is pushed once, from one source to one sink."""

    def __init__(self, size: int) -> None:
        self._leaving: Final[list[list[int]]] = [[] for _ in range(size)]
        # Edge i and its reverse i ^ 1: where it leads, and how much more it takes
        self._to: Final[list[int]] = []
        self._room: Final[list[int]] = []

    def add(self, start: int, end: int, capacity: int) -> None:
        """Join two nodes, one way."""
        self._leaving[start].append(len(self._to))
        self._leaving[end].append(len(self._to) + 1)
        self._to.extend((end, start))
        self._room.extend((capacity, 0))

    def source_side(self, source: int, sink: int) -> list[bool]:
        """Push the largest flow, and say which nodes stay connected to the source: the fewest of any smallest cut."""
        levels = self._levels(source)
        while levels[sink] >= 0:
            turns = [0] * len(levels)
            while self._push(source, sink, levels, turns):
                pass
            levels = self._levels(source)
        return [level >= 0 for level in levels]

    def _levels(self, source: int) -> list[int]:
        levels = [-1] * len(self._leaving)
        levels[source] = 0
        waiting = deque([source])
        while waiting:
            node = waiting.popleft()
            for edge in self._leaving[node]:
                end = self._to[edge]
                if self._room[edge] and levels[end] < 0:
                    levels[end] = levels[node] + 1
                    waiting.append(end)
        return levels

    def _push(self, source: int, sink: int, levels: list[int], turns: list[int]) -> int:
        """Push along one path that gains a level with every edge; 0 where there is none left."""
        path: list[int] = []
        node = source
        while node != sink:
            edge = self._onward(node, levels, turns)
            if edge is not None:
                path.append(edge)
                node = self._to[edge]
            elif path:
                # Nothing leads on from here: no later path of this level graph need come by
                node = self._to[path.pop() ^ 1]
                turns[node] += 1
            else:
                return 0
        amount = min(self._room[edge] for edge in path)
        for edge in path:
            self._room[edge] -= amount
            self._room[edge ^ 1] += amount
        return amount

    def _onward(self, node: int, levels: list[int], turns: list[int]) -> int | None:
        edges = self._leaving[node]
        while turns[node] < len(edges):
            edge = edges[turns[node]]
            if self._room[edge] and levels[self._to[edge]] == levels[node] + 1:
                return edge
            turns[node] += 1
        return None
