"""A chest as an X-ray shows it: the thickness of what the rays pass, added up from shapes."""

import math
from collections.abc import Iterator

import numpy as np

from dicom.phantom.fields import (
    Field,
    Plane,
    Stroke,
    Texture,
    capsule,
    curved,
    edge,
    grain,
    hashed,
    oval,
    softened,
)

WIDE, HIGH = 352, 432  # mm
_WARP = Texture(21, 60, 150)
_MARROW = Texture(22, 3, 9)
_TISSUE = Texture(23, 10, 45)
_RIBS = 10
Place = tuple[slice, slice]


def chest(pixel: float, *, pacemaker: bool = False) -> Field:
    """A chest from the back to the front, 0 where rays pass unhindered and 1 where none do.

    Shapes are drawn at twice `pixel` mm, the grain of the detector at `pixel`.
    """
    step = 2 * pixel
    columns, rows = round(WIDE / step), round(HIGH / step)
    plane = Plane((-WIDE / 2, 0, 0), (step, 0, 0), (0, step, 0), columns, rows)
    warp = 2.2 * _WARP.on(plane)
    x, y = plane.axis(0) + warp, plane.axis(1) + warp[::-1, ::-1]
    picture = _trunk(x, y)
    lung = _lung(x, y)
    picture -= 9.8 * (1 - np.exp(-np.maximum(lung, 0) / 26))
    picture += _middle(x, y)
    _bones(picture, x, y)
    _vessels(picture, x, y, lung)
    if pacemaker:
        _pacemaker(picture, x, y)
    picture += 0.16 * _TISSUE.on(plane) * edge(picture - 1, 2)
    return _exposed(_marked(picture, plane), pixel)


def _exposed(picture: Field, pixel: float) -> Field:
    """The tone of a film, with the noise of the detector: more where fewer rays arrive."""
    toned: Field = 1 - np.exp(-np.maximum(picture, 0) / 9.5)
    fine = softened(np.kron(toned, np.ones((2, 2), np.float32)))
    rows, columns = fine.shape
    noise = softened(grain(rows, columns, 77)) * 1.6 + grain(rows, columns, 78)
    made: Field = np.clip(fine + noise * (0.004 + 0.006 * fine), 0, 1)
    border = round(3 / pixel)
    made[:border], made[-border:], made[:, :border], made[:, -border:] = 0, 0, 0, 0
    return made


def _trunk(x: Field, y: Field) -> Field:
    """Skin and flesh: neck, shoulders and trunk, as thick as they are deep."""
    shoulder = np.clip((y - 12) / 62, 0, 1)
    half = 54 + 134 * shoulder**2.2 * (1 - 0.19 * np.clip((y - 185) / 90, 0, 1))
    inside = np.clip(1 - (x / half) ** 2, 0, 1)
    belly = 4.5 * edge(y - 350, 60)
    breasts = 1.1 * edge(oval(np.abs(x), y, (78, 268), (58, 60)), 40)
    made: Field = (13.5 + belly) * np.sqrt(inside) + breasts * (inside > 0)
    return made


def _cage(y: Field) -> Field:
    """Half the width of the chest inside the ribs."""
    up = np.clip((300 - y) / 240, 0, 1)
    made: Field = 131 * np.sqrt(np.clip(1 - up**2.3, 0, 1))
    return made


def _lung(x: Field, y: Field) -> Field:
    """How deep a pixel lies in a lung, in mm; below 0 outside."""
    side = np.abs(x)
    right = 322 + 32 * ((x + 66) / 62) ** 2 - y
    left = 334 + 34 * ((x - 74) / 58) ** 2 - y
    floor = np.where(x < 0, right, left)
    inner = side - 20 - 6 * edge(y - 150, 60)
    made: Field = np.minimum(np.minimum(_cage(y) - side, floor * 1.3), inner)
    return made


def _middle(x: Field, y: Field) -> Field:
    """Heart, great vessels and windpipe; the liver and the air of the stomach."""
    made = 5.4 * _chord(oval(x, y, (24, 276), (70, 50), 24))
    made += 2.4 * _chord(oval(x, y, (-14, 262), (44, 58), 10))
    made += 2.4 * _chord(oval(x, y, (25, 166), (19, 20)))
    made += 2.0 * _chord(oval(x, y, (27, 210), (22, 26)))
    made += 1.5 * _chord(oval(x, y, (-14, 170), (18, 70)))
    made += 1.3 * edge(17 - np.abs(x - 12), 6) * edge(y - 160, 20)
    made -= 2.6 * _chord(capsule(x, y, ((-1, -10), (-3, 120), (-5, 186)), 8.5))
    made -= 1.5 * _chord(capsule(x, y, ((-5, 184), (-34, 214)), 6.0))
    made -= 1.3 * _chord(capsule(x, y, ((-5, 184), (36, 218)), 5.5))
    made -= 3.4 * _chord(oval(x, y, (72, 372), (34, 20), -8))
    made -= 1.6 * _chord(oval(x, y, (112, 402), (26, 15), 30))
    return made


def _chord(inside: Field) -> Field:
    """How long a ray runs in a round body, 1 in its middle, of a depth below its surface."""
    deep = np.clip(inside / max(float(inside.max()), 1e-3), 0, 1)
    made: Field = np.sqrt(1 - (1 - deep) ** 2)
    return made


def _bones(picture: Field, x: Field, y: Field) -> None:
    """Spine, ribs, collar bones, shoulder blades and arms."""
    side = np.abs(x)
    beat = np.abs(np.sin(np.pi * (y - 6) / 23.5)) ** 0.35
    picture += edge(19 - side, 5) * (1.5 + 1.1 * beat)
    picture += 0.7 * edge(oval(side, np.mod(y - 6, 23.5), (13, 8), (3.4, 4.2)), 2)
    for points, wide, dense in _strokes():
        for mirrored in (1, -1):
            _tube(picture, x * mirrored, y, points, wide, dense)
    blade = capsule(side, y, ((118, 92), (140, 190), (150, 232)), 26)
    picture += 0.75 * edge(blade, 4) + 0.7 * edge(5 - np.abs(blade - 2), 3)


def _strokes() -> Iterator[tuple[Stroke, float, float]]:
    """The bones that are tubes: a line through each, its radius and how dense it is."""
    for number in range(_RIBS):
        start = 62 + 25.5 * number
        wall = float(_cage(np.array(start + 26 + 2 * number))) + 4
        fall = 22 + 3.4 * number
        yield (
            [
                (18 + (wall - 18) * t, start - 9 * math.sin(2.4 * t) + (fall + 9) * t**2.3)
                for t in np.linspace(0, 1, 12).tolist()
            ],
            5.6,
            1.0,
        )
        if number < 7:
            reach = 42 + 4.5 * number
            yield (
                [
                    (wall - (wall - reach) * t**1.15, start + fall + 46 * t + 10 * math.sin(3 * t))
                    for t in np.linspace(0, 1, 10).tolist()
                ],
                6.2,
                0.62,
            )
    yield ((10, 96), (40, 84), (84, 77), (122, 66), (146, 70)), 6.8, 1.5
    yield ((168, 92), (176, 160)), 21, 2.4


def _tube(picture: Field, x: Field, y: Field, points: Stroke, radius: float, dense: float) -> None:
    """Add a hollow bone: bright along its edges, with marrow inside."""
    place, inside = _within(x, y, points, radius)
    away = radius - inside
    outer = np.sqrt(np.clip(1 - (away / radius) ** 2, 0, 1))
    inner = np.sqrt(np.clip(1 - (away / (0.72 * radius)) ** 2, 0, 1))
    picture[place] += dense * (1.9 * outer - 0.95 * inner)


def _within(x: Field, y: Field, points: Stroke, radius: float) -> tuple[Place, Field]:
    """The part of a picture around a stroke, and how deep within the stroke its pixels lie."""
    tops, lefts = [point[1] for point in points], [point[0] for point in points]
    margin = radius + 8
    rows = _span(y[:, 0], min(tops) - margin, max(tops) + margin)
    columns = _span(x[0], min(lefts) - margin, max(lefts) + margin)
    return (rows, columns), capsule(x[rows, columns], y[rows, columns], points, radius)


def _span(axis: Field, low: float, high: float) -> slice:
    inside = np.flatnonzero((axis > low) & (axis < high))
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)


def _vessels(picture: Field, x: Field, y: Field, lung: Field) -> None:
    """The vessels of both lungs: trees that grow from their roots."""
    drawn = np.zeros_like(picture)
    for root, mirrored in (((33.0, 214.0), -1), ((36.0, 206.0), 1)):
        for number in range(9):
            angle = -1.9 + 0.47 * number
            _branch(drawn, x * mirrored, y, root, angle, 30.0, 4.6, seed=number + 100 * mirrored)
    picture += drawn * edge(lung - 1, 5)


def _branch(
    picture: Field,
    x: Field,
    y: Field,
    root: tuple[float, float],
    angle: float,
    length: float,
    radius: float,
    *,
    seed: int,
) -> None:
    """One vessel, and the two that it parts into."""
    if radius < 0.7:
        return
    bend, left, right = (hashed(3, seed + 5000) / 2**32 - 0.5).tolist()
    ends = [
        (
            root[0] + length * t * math.cos(angle + bend * t),
            root[1] + length * t * math.sin(angle + bend * t),
        )
        for t in (0, 0.5, 1)
    ]
    place, inside = _within(x, y, ends, radius)
    deep = np.clip(inside / radius, 0, 1)
    part = 0.52 * radius**0.8 * np.sqrt(1 - (1 - deep) ** 2)
    picture[place] = np.maximum(picture[place], part)
    for turn, way in ((left - 0.42, 1), (right + 0.42, 2)):
        _branch(
            picture, x, y, ends[-1], angle + bend + turn, length * 0.82, radius * 0.7,
            seed=seed * 3 + way,
        )  # fmt: skip


def _pacemaker(picture: Field, x: Field, y: Field) -> None:
    """A generator below the left collar bone and its lead to the heart."""
    picture += 15 * edge(capsule(x, y, ((104, 128), (118, 132)), 15), 1.2)
    lead = curved(((108, 120), (76, 88), (20, 100), (-22, 150), (-30, 230), (-4, 292), (40, 302)))
    for points, radius, dense in ((lead, 1.0, 8), ((lead[-1], lead[-1]), 2.6, 6)):
        place, inside = _within(x, y, points, radius)
        picture[place] += dense * edge(inside, 0.8)


def _marked(picture: Field, plane: Plane) -> Field:
    """The lead letter that says which side is the left."""
    x, y = plane.axis(0), plane.axis(1)
    letter = capsule(x, y, ((140, 20), (140, 38), (150, 38)), 1.7)
    return picture + 22 * edge(letter, 0.8)
