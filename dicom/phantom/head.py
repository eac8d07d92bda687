"""A head as computed tomography sees it, drawn from shapes and waves: nobody's."""

import math
from dataclasses import dataclass, replace

import numpy as np

from dicom.phantom.fields import (
    Field,
    Plane,
    Texture,
    bell,
    capsule,
    curved,
    edge,
    grain,
    oval,
    paint,
    softened,
)

# Hounsfield units.
AIR, FAT, MUSCLE, WATER, WHITE, GREY, FALX, DIPLOE, BONE = (
    -1000, -95, 52, 7, 27, 38, 52, 620, 1450,
)  # fmt: skip
SIDE = 220  # mm that a slice shows
TOP = 124.0  # mm from the lowest slice to the vertex
_FOLDS = Texture(11, 15, 26, 30)
_FINE = Texture(12, 5, 9)
_CELLS = Texture(13, 3, 6)
_BUMPS = Texture(14, 40, 90)


# Ventricles and cisterns: whether in the middle (else on both sides), their course, their radius.
_WATERS = tuple(
    (middle, curved(points), radius)
    for middle, points, radius in (
        (False, ((4, -9), (8, -22), (15, -34)), 4.4),
        (False, ((8, -27), (7, -4), (14, 18), (22, 31)), 5.4),
        (False, ((17, 19), (25, 32), (21, 47)), 5.2),
        (False, ((26, -4), (31, 4), (34, 14)), 2.0),
        (True, ((0, -12), (0, 9)), 2.1),
        (True, ((-3.5, 33), (3.5, 33)), 5.0),
        (False, ((0, -16), (0, -2), (12, 3), (19, 14)), 3.6),
        (False, ((0, -14), (14, -22), (30, -25)), 3.0),
        (False, ((0, 24), (9, 22), (16, 16)), 3.4),
        (False, ((36, -20), (44, -19), (52, -10), (62, -8)), 1.6),
        (False, ((40, -18), (46, -6), (41, 10)), 1.2),
    )
)


@dataclass(frozen=True, slots=True)
class _Slice:
    """One slice as it is drawn: coordinates in mm and the depth below the skin."""

    plane: Plane
    x: Field
    y: Field
    z: float
    depth: Field
    soft: float
    bumps: Field


def head(size: int, z: float, collection: float = 0.0) -> Field:
    """An axial slice of 220 x 220 mm in Hounsfield units, `z` mm above the skull base.

    `collection` is how thick, in mm, a collection lies between skull and brain on the left.
    """
    step = SIDE / size
    whole = Plane((-SIDE / 2, -SIDE / 2, z), (step, 0, 0), (0, step, 0), size, size)
    picture = np.full((size, size), AIR, np.float32)
    _holder(whole, picture)
    across, down = (_span(half * _scale(z) + 6, size) for half in (78, 96))
    first = (across.start * step - SIDE / 2, down.start * step - SIDE / 2, z)
    part = replace(
        whole, origin=first, columns=across.stop - across.start, rows=down.stop - down.start
    )
    picture[down, across] = _drawn(part, collection)
    noise = softened(grain(size, size, int(z * 10) + 5)) * 8 + grain(size, size, int(z) + 9)
    return picture + noise * np.where(picture > AIR / 2, np.float32(1), np.float32(0.6))


def _span(half: float, size: int) -> slice:
    """The pixels of a row or column that lie no further from its middle than `half` mm."""
    margin = max(0, int((SIDE / 2 - half) * size / SIDE))
    return slice(margin, size - margin)


def _drawn(plane: Plane, collection: float) -> Field:
    """The part of a slice that the head fills."""
    x, y, z = plane.axis(0)[:1], plane.axis(1)[:, :1], plane.origin[2]
    bumps = _BUMPS.on(plane)
    depth = _depth(x, y, z) + bumps * 0.9
    made = _Slice(plane, x, y, z, depth, max(plane.across[0], 0.9), bumps)
    picture = _wrapped(made)
    inner = made.depth - _skull(made)
    paint(picture, edge(inner, made.soft), _inside(made, inner, collection))
    _base(made, picture)
    return picture


def _scale(z: float) -> float:
    """How large the head is at a height, 1 where it is largest."""
    return math.sqrt(bell(z, 50, 84)) if z > 50 else 1 - 0.07 * ((50 - z) / 50) ** 2


def _depth(x: Field, y: Field, z: float) -> Field:
    """How deep below the skin, along the line to the middle of the head."""
    scale = _scale(z)
    ahead, behind = np.clip(-y / 95, 0, 1.2), np.clip(y / 95, 0, 1.2)
    wide = 76 * scale * (1 - 0.16 * ahead**2 + 0.02 * behind)
    long = 94 * scale * np.where(y < 0, 1, 0.98)
    near = np.sqrt((x / wide) ** 2 + ((y - 1) / long) ** 2)
    away = np.sqrt(x * x + (y - 1) ** 2)
    made: Field = (away / np.maximum(near, 1e-3) - away).astype(np.float32)
    return made


def _skull(made: _Slice) -> Field:
    """Where the inner side of the skull lies, in mm below the skin."""
    back = np.clip(made.y / 90, 0, 1)
    muscle = 7 * bell(made.z, 14, 42) * np.exp(-(((made.y + 22) / 26) ** 2))
    return 12 + 2.5 * back + muscle + made.bumps * 0.7


def _wrapped(made: _Slice) -> Field:
    """Air, skin, fat, muscle and the two tables of the skull with the diploe between them."""
    depth, inner, soft = made.depth, _skull(made), made.soft
    picture: Field = np.full((made.plane.rows, made.plane.columns), AIR, np.float32)
    outer = inner - 6.5 - made.bumps * 0.6
    marrow = np.maximum(DIPLOE + 170 * _CELLS.on(made.plane), 200)
    for begin, value in ((0.0, 55.0), (1.8, FAT), (4.0, MUSCLE), (outer, BONE)):
        paint(picture, edge(depth - begin, soft), value)
    paint(picture, edge(np.minimum(depth - outer - 1.6, inner - 1.5 - depth), soft), marrow)
    return picture


def _inside(made: _Slice, inner: Field, collection: float) -> Field:
    """Brain and water below the skull, with what lies between them."""
    thick = collection * _crescent(made)
    pushed = 0.42 * collection * bell(made.z, 72, 52) * np.exp(-((made.y / 70) ** 2))
    x = made.x + pushed * np.clip(1 - np.abs(made.x) / 75, 0, 1)
    picture = _brain(made, x, inner - thick)
    if collection:
        settled = np.clip((made.y + 30) / 110, 0, 1)
        inside = edge(thick - inner - 0.5, 1.2) * edge(thick - 1, 1)
        paint(picture, inside, 15 + 15 * settled + _FINE.on(made.plane))
    return picture


def _crescent(made: _Slice) -> Field:
    angle = np.arctan2(made.y + 4, np.maximum(made.x, 0.01))
    side = np.clip((made.x - 4) / 16, 0, 1)
    crest: Field = np.clip(1 - (angle / 1.25) ** 2, 0, 1) * side * bell(made.z, 76, 44)
    return np.sqrt(crest)


def _brain(made: _Slice, x: Field, depth: Field) -> Field:
    """Grey and white matter, furrows, ventricles; `x` and `depth` as pushed aside."""
    z, y, soft = made.z, made.y, made.soft
    waves = _FOLDS.on(made.plane)
    folds = np.abs(waves)
    low = np.clip((22 - z) / 8, 0, 1) * edge(y - 12 - 0.25 * np.abs(x), 6)
    near = np.clip(1 - depth / (24 + 14 * max(0, z - 74) / 40), 0, 1) * (1 - low)
    middle = np.abs(x + 1.2 * np.sin(y / 17))
    cleft = _cleft(z, y)
    bark = np.maximum(4.2 - depth, 0.9 + near * 3.0 - folds * 6.0)
    bark = np.maximum(bark, np.where(cleft > 0, 4.0 - middle, -1))
    picture = WHITE + (GREY - WHITE) * edge(bark, 1.8) + 0.9 * _FINE.on(made.plane)
    paint(picture, low, 35.5 + 2.2 * np.sin(_FINE.on(made.plane) + y * 1.3))
    _deep(made, x, picture)
    furrow = np.maximum(near * (0.30 + 0.1 * max(0, z - 74) / 40) - folds, (cleft - middle) / 3)
    paint(picture, edge(furrow * 5, 1.0) * 0.85, WATER)
    paint(picture, edge(1.4 - depth, 1.2), WATER)
    for water in _waters(x, y, z):
        paint(picture, edge(water + 0.6 * waves, soft * 1.2), WATER)
    paint(picture, edge((cleft > 0) * 0.9 - middle, soft), FALX)
    _specks(made, x, picture)
    return picture


def _cleft(z: float, y: Field) -> Field:
    """Half the width of the cleft between the hemispheres, in mm."""
    start = np.clip((z - 62) / 14, 0, 1) * 60 - 34  # how far it reaches from the front
    front = edge(start - y, 6)
    back = edge(y - 48 + np.clip((z - 62) / 14, 0, 1) * 60, 6) * float(z > 24)
    made: Field = 1.5 * np.maximum(front, back) * float(z > 14)
    return made


def _deep(made: _Slice, x: Field, picture: Field) -> None:
    """The grey nuclei on both sides and the brain stem."""
    z, y, side = made.z, made.y, np.abs(x)
    shape = bell(z, 49, 17)
    stem = oval(x, y, (0, 12 - z * 0.1), (15 - z * 0.1, 14.0))
    paint(picture, edge(stem, 2) * bell(z, 10, 26), 31.0)
    if not shape:
        return
    for at, half, turn, value in (
        ((14.5, -21.0), (5.0, 9.5), -18.0, 40.0),
        ((25.5, -5.0), (6.5, 15.0), 22.0, 40.0),
        ((11.5, 8.0), (9.0, 13.0), 28.0, 39.0),
        ((38.5, -6.0), (2.2, 17.0), 8.0, 38.0),
    ):
        inside = oval(side, y, at, (half[0] * shape + 0.01, half[1] * shape + 0.01), turn)
        paint(picture, edge(inside, 2.2), value)


def _waters(x: Field, y: Field, z: float) -> list[Field]:
    """How deep pixels lie in ventricles and cisterns."""
    side = np.abs(x)
    horn, body, rear = bell(z, 52, 16), bell(z, 66, 15), bell(z, 54, 16)
    star, smile = bell(z, 23, 9), bell(z, 34, 9)
    sizes = [horn, body, rear, bell(z, 28, 12), bell(z, 42, 12), bell(z, 6, 14)]
    sizes += [star, star, smile, bell(z, 44, 20), bell(z, 40, 20)]
    return [
        capsule(x if middle else side, y, points, radius * math.sqrt(size))
        for size, (middle, points, radius) in zip(sizes, _WATERS, strict=True)
        if size > 0
    ]


def _specks(made: _Slice, x: Field, picture: Field) -> None:
    """Lime where everybody of that age has some: pineal gland and choroid plexus."""
    for at, size, value in (((0.0, 15.0), 2.4, 210.0), ((20.0, 29.0), 2.6, 170.0)):
        shape = bell(made.z, 51 + at[0] / 5, 5)
        if not shape:
            continue
        spot = oval(np.abs(x) if at[0] else x, made.y, at, (size * shape + 0.01,) * 2)
        paint(picture, edge(spot, made.soft), value)


def _base(made: _Slice, picture: Field) -> None:
    """The bones of the skull base, sinuses and eyes, in the lowest slices."""
    z, y, side = made.z, made.y, np.abs(made.x)
    if z > 30:
        return
    cells = edge(_CELLS.on(made.plane) + 0.2, 0.7)
    wing, rock, eye = bell(z, 8, 16), bell(z, 0, 17), bell(z, -2, 18)
    for size, points, radius in (
        (wing, ((7.0, -26.0), (30.0, -30.0), (62.0, -42.0)), 2.6),
        (rock, ((15.0, 4.0), (34.0, 14.0), (58.0, 22.0)), 7.0),
    ):
        bone = capsule(side, y, points, radius * size - 0.6)
        paint(picture, edge(np.minimum(bone, made.depth - 7), made.soft), BONE)
    air = capsule(side, y, ((50.0, 20.0), (60.0, 26.0)), 7.5 * rock)
    paint(picture, edge(air, 1.5) * cells, AIR + 150)
    fat = oval(side, y, (31.0, -62.0), (18 * eye + 0.01, 24 * eye + 0.01), -12)
    paint(picture, edge(fat, made.soft), FAT)
    paint(picture, edge(oval(side, y, (31.5, -68.0), (12 * eye + 0.01,) * 2), made.soft), 14)
    paint(picture, edge(oval(side, y, (32.0, -77.5), (4.5 * eye + 0.01, 2.2)), 0.8) * eye, 95)
    paint(picture, edge(capsule(side, y, ((29.0, -56.0), (14.0, -34.0)), 2.0 * eye), 1), 40)
    nose = oval(made.x, y, (0.0, -58.0), (11 * eye + 0.01, 27 * eye + 0.01))
    paint(picture, edge(nose, 1.5) * np.maximum(cells, edge(nose - 6, 2)), AIR + 60)
    sinus = oval(side, y, (8.0, -78.0), (12 * bell(z, 11, 12) + 0.01, 7.0))
    paint(picture, edge(np.minimum(sinus, made.depth - 8), made.soft) * bell(z, 11, 12), AIR + 20)


def _holder(plane: Plane, picture: Field) -> None:
    """The padded shell that the head lies in."""
    x, y = plane.axis(0)[:1], plane.axis(1)[:, :1]
    away = np.sqrt((x / 1.05) ** 2 + (y - 4) ** 2)
    paint(picture, edge(np.minimum(1.3 - np.abs(away - 104), y - 12), 1), -650.0)
