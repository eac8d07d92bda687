"""What pictures of phantoms are drawn with: planes in a body, textures, grain and soft edges.

Nothing here is random: the same place always gives the same value, on any version of numpy.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
Point = tuple[float, float, float]
Stroke = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Plane:
    """Where a picture lies: its first pixel, a step to the right and one down, all in mm.

    Axes are those of the patient (PS3.3 C.7.6.2.1.1): to the left, to the back, to the head.
    """

    origin: Point
    across: Point
    down: Point
    columns: int
    rows: int

    def axis(self, number: int) -> Field:
        """One coordinate of every pixel."""
        across = self.across[number] * np.arange(self.columns, dtype=np.float32)
        down = self.down[number] * np.arange(self.rows, dtype=np.float32)
        made: Field = np.float32(self.origin[number]) + across[None, :] + down[:, None]
        return made


@dataclass(frozen=True, slots=True)
class Texture:
    """A smooth wavy field in space, of mean 0 and deviation 1: a sum of plane waves.

    `shortest` and `longest` are its wavelengths in mm.
    """

    seed: int
    shortest: float
    longest: float
    count: int = 24
    _waves: list[Field] = field(default_factory=list)

    def on(self, plane: Plane) -> Field:
        """The field on a plane. Products of two rows at a time: a matrix product draws all waves."""
        vectors, phases = self._vectors()
        start = vectors @ np.array(plane.origin) + phases
        right = np.outer(np.arange(plane.columns), vectors @ np.array(plane.across))
        below = np.outer(np.arange(plane.rows), vectors @ np.array(plane.down)) + start
        columns = np.hstack([np.cos(right), np.sin(right)]).astype(np.float32)
        rows = np.hstack([np.cos(below), -np.sin(below)]).astype(np.float32)
        made: Field = (rows * np.float32(math.sqrt(2 / self.count))) @ columns.T
        return made

    def _vectors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Wave vectors that point everywhere, and where each wave begins."""
        drawn = hashed(4 * self.count, self.seed).reshape(4, -1) / 2**32
        upward, turn = 2 * drawn[0] - 1, 2 * np.pi * drawn[1]
        flat = np.sqrt(1 - upward**2)
        length = self.shortest * (self.longest / self.shortest) ** drawn[2]
        directions = np.stack([flat * np.cos(turn), flat * np.sin(turn), upward], axis=1)
        return directions * (2 * np.pi / length)[:, None], 2 * np.pi * drawn[3]


def hashed(count: int, seed: int) -> NDArray[np.uint32]:
    """`count` numbers of 32 bits that look drawn by lot."""
    made = np.arange(count, dtype=np.uint32) + np.uint32(seed * 0x9E3779B1 & 0xFFFFFFFF)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        made ^= made >> np.uint32(shift)
        made *= np.uint32(factor)
    made ^= made >> np.uint32(16)
    return made


def grain(rows: int, columns: int, seed: int) -> Field:
    """Noise of deviation 1, as detectors have: the sum of the four bytes of a hash."""
    parts = hashed(rows * columns, seed).view(np.uint8).reshape(-1, 4)
    made: Field = (parts.sum(axis=1, dtype=np.float32) - 510) / 147.8
    return made.reshape(rows, columns)


def softened(picture: Field) -> Field:
    """A picture blurred by the neighbours of each pixel."""
    tall = np.pad(picture, ((1, 1), (0, 0)), "edge")
    wide = np.pad((tall[:-2] + tall[2:]) / 4 + picture / 2, ((0, 0), (1, 1)), "edge")
    made: Field = (wide[:, :-2] + wide[:, 2:]) / 4 + wide[:, 1:-1] / 2
    return made


def edge(distance: Field, width: float) -> Field:
    """How far a pixel lies inside a border at 0: 0 outside, 1 inside, soft over `width` mm."""
    made: Field = np.clip(distance / width + 0.5, 0, 1)
    return made


def paint(picture: Field, share: Field | float, value: Field | float) -> None:
    """Lay a value over a picture, where `share` is 1; partly, where it is less."""
    picture += share * (value - picture)


def capsule(x: Field, y: Field, points: Stroke, radius: float) -> Field:
    """How deep pixels lie within a rounded stroke through points."""
    found = np.full(np.broadcast_shapes(x.shape, y.shape), -np.inf, np.float32)
    for (left, top), (right, bottom) in itertools.pairwise(points):
        dx, dy = right - left, bottom - top
        along = np.clip(((x - left) * dx + (y - top) * dy) / max(dx * dx + dy * dy, 1e-6), 0, 1)
        across, below = x - left - along * dx, y - top - along * dy
        np.maximum(found, radius - np.sqrt(across * across + below * below), out=found)
    return found


def curved(points: Stroke) -> Stroke:
    """A stroke with its corners cut, two times over."""
    for _ in range(2):
        cut = [
            (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t)
            for a, b in itertools.pairwise(points)
            for t in (0.25, 0.75)
        ]
        points = [points[0], *cut, points[-1]]
    return points


def oval(
    x: Field, y: Field, at: tuple[float, float], half: tuple[float, float], turn: float = 0.0
) -> Field:
    """How deep pixels lie within an ellipse, roughly in mm; `turn` in degrees."""
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    u, v = x - at[0], y - at[1]
    across, down = (u * c + v * s) / half[0], (v * c - u * s) / half[1]
    made: Field = (1 - np.sqrt(across * across + down * down)) * min(half)
    return made


def bell(value: float, middle: float, width: float) -> float:
    """1 in the middle, 0 at `width` from it and beyond."""
    return max(0.0, 1 - ((value - middle) / width) ** 2)
