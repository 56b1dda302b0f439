"""Convex polygons that lines cut into smaller ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Point = tuple[float, float]


class Polygon(NamedTuple):
    """The corners around a convex polygon, and for the edge from each corner to the next one a number of its origin."""

    corners: list[Point]
    edges: list[int]

    @property
    def middle(self) -> Point:
        """A point inside: the mean of the corners."""
        count = len(self.corners)
        return sum(u for u, _v in self.corners) / count, sum(v for _u, v in self.corners) / count


def at_zeros(
    polygon: Polygon, lines: Float[np.ndarray, "units 3"], edge: int, least: float, most: int
) -> list[Polygon]:
    """The parts into which the lines a · u + b · v + c = 0 cut a polygon; at most about `most` of them.

    `least` is the distance from a line below which a corner lies on it.
    """
    unit = _normalised(lines)
    heights = np.array(polygon.corners) @ unit[:, :2].T + unit[:, 2]
    crossing = (heights.min(0) < -least) & (heights.max(0) > least)
    parts = [polygon]
    for a, b, c in unit[crossing].tolist():
        made: list[Polygon] = []
        for part in parts:
            made += _halves(part, a, b, c, edge, least)
        parts = made
        if len(parts) > most:
            break
    return parts


def at_maxima(
    polygon: Polygon, lines: Float[np.ndarray, "windows values 3"], edge: int, least: float, most: int
) -> list[Polygon]:
    """The parts of a polygon on which one value of each window is the largest."""
    corners = np.column_stack([np.array(polygon.corners), np.ones(len(polygon.corners))])
    leading = (corners @ lines.swapaxes(1, 2)).argmax(-1)
    parts = [polygon]
    for window in np.flatnonzero((leading != leading[:, :1]).any(1)):
        made: list[Polygon] = []
        for part in parts:
            made += _upper(part, lines[window], edge, least)
        parts = made
        if len(parts) > most:
            break
    return parts


def _upper(polygon: Polygon, lines: np.ndarray, edge: int, least: float) -> list[Polygon]:
    parts = []
    for value in range(len(lines)):
        part: Polygon | None = polygon
        # Of equal values the first is the largest, so that no part is there twice.
        for other in range(len(lines)):
            if other == value or part is None:
                continue
            a, b, c = _normalised(lines[value : value + 1] - lines[other : other + 1])[0].tolist()
            if a or b:
                part = _above(part, a, b, c, edge, least)
            elif c < 0 or (c == 0 and other < value):
                part = None
        if part is not None:
            parts.append(part)
    return parts


def _normalised(lines: np.ndarray) -> np.ndarray:
    """With a normal of length 1; a constant stays as it is."""
    length = np.hypot(lines[:, 0], lines[:, 1])
    return np.asarray(lines / np.where(length > 0, length, 1)[:, None])


def _halves(polygon: Polygon, a: float, b: float, c: float, edge: int, least: float) -> list[Polygon]:
    heights = [a * u + b * v + c for u, v in polygon.corners]
    if min(heights) >= -least or max(heights) <= least:
        return [polygon]
    return [_side(polygon, heights, edge), _side(polygon, [-height for height in heights], edge)]


def _above(polygon: Polygon, a: float, b: float, c: float, edge: int, least: float) -> Polygon | None:
    heights = [a * u + b * v + c for u, v in polygon.corners]
    if min(heights) >= -least:
        return polygon
    return None if max(heights) <= least else _side(polygon, heights, edge)


def _side(polygon: Polygon, heights: list[float], edge: int) -> Polygon:
    """The part where the heights are positive (Sutherland & Hodgman 1974)."""
    corners: list[Point] = []
    edges: list[int] = []
    count = len(heights)
    for place in range(count):
        following = place + 1 if place + 1 < count else 0
        now, later = heights[place], heights[following]
        if now >= 0:
            corners.append(polygon.corners[place])
            edges.append(polygon.edges[place])
        if (now >= 0) != (later >= 0):
            share = now / (now - later)
            (u, v), (x, y) = polygon.corners[place], polygon.corners[following]
            corners.append((u + share * (x - u), v + share * (y - v)))
            # Going out, the next edge is the cut; coming in, the rest of the old edge.
            edges.append(edge if now >= 0 else polygon.edges[place])
    return Polygon(corners, edges)
