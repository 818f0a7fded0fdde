"""Polygons cut into triangles: a fan where that is right, ears (Meisters 1975) where the polygon is not convex."""

from __future__ import annotations

import heapq
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FAR = 1000.0  # times its size away from the origin, a polygon's area is lost in rounding
FEW = 512  # corners; of more, ears are taken all round the polygon, since needles from one corner are slow to test


def fan(counts: Integers) -> Integers:
    """Cut each polygon of `counts[i]` consecutive corners into a fan around its first: (F, 3) corner numbers."""
    first = np.cumsum(counts) - counts
    cuts = counts - 2
    step = np.arange(int(cuts.sum())) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    base = np.repeat(first, cuts)
    return np.stack([base, base + step + 1, base + step + 2], axis=1)


def cut(points: Floats, counts: Integers) -> Integers:
    """Cut polygons of `counts[i]` >= 3 consecutive corners of `points` (C, 3) into triangles: (F, 3) corner numbers."""
    triangles = fan(counts)
    if len(triangles) == len(counts):
        return triangles
    first, end = np.cumsum(counts) - counts, np.cumsum(counts - 2)
    a, b, c = (points[triangles[:, k]] for k in range(3))
    crosses = np.cross(b - a, c - a)
    owner = np.repeat(np.arange(len(counts)), counts - 2)
    summed = np.add.reduceat(crosses, end - counts + 2, axis=0)
    folded = (crosses * summed[owner]).sum(axis=1) < 0
    for polygon in np.unique(owner[folded]):
        rows = slice(end[polygon] - counts[polygon] + 2, end[polygon])
        corners = slice(first[polygon], first[polygon] + counts[polygon])
        triangles[rows] = ears(points[corners]) + first[polygon]
    return triangles


def ears(points: Floats) -> Integers:
    """Cut a simple polygon (n, 3) in space by ear clipping in its mean plane: (n - 2, 3) corner numbers.

    Where it touches or crosses itself there may come a time without an ear: then any corner is cut off.
    """
    flat = in_plane(points)
    if not np.isfinite(np.ptp(flat, axis=0)).all():
        return fan(np.array([len(points)]))
    found = _Ears(flat, touching=False).clip()
    if not _folds(flat, found):
        return found
    for other in (lambda: _Ears(flat, touching=True).clip(), lambda: _without_repeats(flat)):
        better = other()  # corners that lie on a cut must not be cut across either; nor is a repeated one a corner
        if not _folds(flat, better):
            return better
    return found


def _without_repeats(flat: Floats) -> Integers:
    """Cut a polygon without corners that repeat the one before; each of them gives a triangle without an area."""
    kept = np.flatnonzero((flat != np.roll(flat, 1, axis=0)).any(axis=1))
    triangles = np.zeros((len(flat) - 2, 3), dtype=np.int64)
    if len(kept) > 2:
        triangles[: len(kept) - 2] = kept[_Ears(flat[kept], touching=True).clip()]
    return triangles


def _folds(flat: Floats, triangles: Integers) -> bool:
    a, b, c = (flat[triangles[:, k]] for k in range(3))
    doubled = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    return bool(doubled.min() < -1e-9 * np.abs(doubled).max())


class _Ears:
    """A polygon (n, 2), counter-clockwise, whose ears are cut off one by one.

    Corners that may be ears wait in a queue: in their order, or if they are many, in the order in which they came to
    be what they are. Each that is none has a witness, a corner within it, and is looked at again when that is gone.
    Corners are found by their place in a grid.
    """

    def __init__(self, flat: Floats, touching: bool) -> None:
        count = len(flat)
        self.touching = touching
        self.points = flat.tolist()  # one corner at a time, plain numbers are quicker
        self.before = [count - 1, *range(count - 1)]
        self.after = [*range(1, count), 0]
        self.version = [0] * count  # -1: cut off
        self.in_order = count <= FEW
        self.queue = [(k, k, 0) for k in range(count)]
        self.turn = count
        self.seen_by: dict[int, list[tuple[int, int]]] = defaultdict(list)  # witness -> corners that it hides
        self.cells = max(int(np.sqrt(count)), 1)
        self.low = flat.min(axis=0).tolist()
        self.scale = (self.cells / np.maximum(np.ptp(flat, axis=0), 1e-300)).tolist()
        self.grid: dict[tuple[int, int], set[int]] = defaultdict(set)
        for k, (x, y) in enumerate(self.points):
            if self.in_order or self._turn(k) <= 0:  # if any is within an ear, then one that turns right is
                self.grid[self._column(x), self._row(y)].add(k)
        self.left = count

    def clip(self) -> Integers:
        triangles = []
        start = 0  # no corner before it is left
        while self.left > 3:
            b = self._next_ear()
            while self.version[start] < 0:
                start += 1
            if b is None:
                b = self.after[start]
            triangles.append((self.before[b], b, self.after[b]))
            self._cut_off(b)
        last = [k for k, version in enumerate(self.version) if version >= 0]
        return np.array([*triangles, tuple(last)], dtype=np.int64)

    def _next_ear(self) -> int | None:
        while self.queue:
            _, b, version = heapq.heappop(self.queue)
            if self.version[b] != version:
                continue
            if self._turn(b) <= 0:
                continue
            witness = self._corner_within(self.before[b], b, self.after[b])
            if witness is None:
                return b
            self.seen_by[witness].append((b, version))
        return None

    def _turn(self, b: int) -> float:
        """Return twice the area of the triangle at corner b: positive where the polygon turns left."""
        (ax, ay), (bx, by), (cx, cy) = self.points[self.before[b]], self.points[b], self.points[self.after[b]]
        return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)

    def _cut_off(self, b: int) -> None:
        a, c = self.before[b], self.after[b]
        self.after[a], self.before[c] = c, a
        self.version[b] = -1
        self.left -= 1
        x, y = self.points[b]
        place = self._column(x), self._row(y)
        if place in self.grid:
            self.grid[place].discard(b)
            if not self.grid[place]:
                del self.grid[place]
        for corner in (a, c):
            self.version[corner] += 1
            self._wait(corner)
        for corner, version in self.seen_by.pop(b, ()):
            if self.version[corner] == version:
                self._wait(corner)

    def _wait(self, corner: int) -> None:
        self.turn += 1
        heapq.heappush(self.queue, (corner if self.in_order else self.turn, corner, self.version[corner]))

    def _corner_within(self, a: int, b: int, c: int) -> int | None:
        """Return a corner within the triangle, or on its rim where that counts; None if there is none."""
        (ax, ay), (bx, by), (cx, cy) = self.points[a], self.points[b], self.points[c]
        columns = range(self._column(min(ax, bx, cx)), self._column(max(ax, bx, cx)) + 1)
        rows = range(self._row(min(ay, by, cy)), self._row(max(ay, by, cy)) + 1)
        corners = (self.points[a], self.points[b], self.points[c])
        few = len(columns) * len(rows) < 10 * len(self.grid)  # an empty cell is ten times as quick as a corner
        places = ((i, j) for i in columns for j in rows) if few else list(self.grid)
        for place in places:
            for k in self.grid.get(place, ()):
                x, y = self.points[k]
                first = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
                second = (cx - bx) * (y - by) - (cy - by) * (x - bx)
                third = (ax - cx) * (y - cy) - (ay - cy) * (x - cx)
                if first > 0 and second > 0 and third > 0:
                    if k not in (a, b, c):
                        return k
                elif self.touching and first >= 0 and second >= 0 and third >= 0 and [x, y] not in corners:
                    return k
        return None

    def _column(self, x: float) -> int:
        return min(int((x - self.low[0]) * self.scale[0]), self.cells)

    def _row(self, y: float) -> int:
        return min(int((y - self.low[1]) * self.scale[1]), self.cells)


def in_plane(points: Floats) -> Floats:
    """Return (n, 2) coordinates in the polygon's mean plane (Newell's normal), counter-clockwise."""
    near = points - points[0] if np.abs(points).max() > FAR * np.ptp(points, axis=0).max() else points
    normal = np.cross(near, np.roll(near, -1, axis=0)).sum(axis=0)
    drop = int(np.argmax(np.abs(normal)))
    u, v = (drop + 1) % 3, (drop + 2) % 3
    flat = points[:, [u, v]]
    return flat if normal[drop] >= 0 else flat * np.array([1.0, -1.0])
