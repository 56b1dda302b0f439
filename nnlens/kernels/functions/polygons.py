"""Convex polygons that lines cut into smaller ones."""

from __future__ import annotations

import math
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
    length = np.hypot(lines[:, 0], lines[:, 1])
    varying = length > 1e-11 * (1 + length.max(initial=0))
    unit = lines[varying] / length[varying, None]
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
    heights = corners @ lines.swapaxes(1, 2)
    first = np.take_along_axis(heights, heights[:, :1].argmax(-1)[..., None], -1)[..., 0]
    # What differs by rounding alone is equal: windows on a flat background are full of it.
    rounding = 1e-11 * (1 + np.abs(lines).max())
    parts = [polygon]
    for window in np.flatnonzero((heights.max(-1) - first > rounding).any(1)):
        made: list[Polygon] = []
        for part in parts:
            made += _upper(part, lines[window], edge, least, rounding)
        parts = made
        if len(parts) > most:
            break
    return parts


def _upper(polygon: Polygon, lines: np.ndarray, edge: int, least: float, rounding: float) -> list[Polygon]:
    parts = []
    for value in range(len(lines)):
        part: Polygon | None = polygon
        # Of equal values the first is the largest, so that no part is there twice.
        for other in range(len(lines)):
            if other == value or part is None:
                continue
            a, b, c = (lines[value] - lines[other]).tolist()
            length = math.hypot(a, b)
            if length > rounding:
                part = _above(part, a / length, b / length, c / length, edge, least)
            elif c < -rounding or (c <= rounding and other < value):
                part = None
        if part is not None:
            parts.append(part)
    return parts


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
