"""A child's right knee as magnetic resonance sees it, in any plane and three weightings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from dicom.phantom.fields import Field, Plane, Point, Texture, edge, grain, paint, softened

# How bright each tissue is: T1, proton density with fat suppression, T2.
_WEIGHTS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "fat": (0.86, 0.20, 0.58),
        "marrow": (0.74, 0.15, 0.48),
        "bone": (0.14, 0.08, 0.09),
        "muscle": (0.34, 0.36, 0.20),
        "cartilage": (0.42, 0.68, 0.44),
        "plate": (0.30, 0.62, 0.42),
        "cord": (0.12, 0.12, 0.09),
        "water": (0.20, 1.05, 1.05),
        "bruise": (0.50, 0.66, 0.66),
        "blood": (0.10, 0.60, 0.24),
    }
)
# From where to where the muscles run, and how thick they are.
_MUSCLES: tuple[tuple[Point, Point, float], ...] = (
    ((22, -12, 110), (25, -10, 40), 23),
    ((-24, -8, 110), (-25, -8, 50), 23),
    ((0, -30, 110), (0, -32, 62), 14),
    ((22, 30, 110), (25, 28, 4), 13),
    ((-24, 30, 110), (-30, 27, 8), 12),
    ((15, 30, 8), (20, 32, -110), 18),
    ((-15, 30, 6), (-20, 32, -110), 18),
    ((0, 24, -32), (0, 28, -110), 18),
    ((-27, 2, -34), (-25, 4, -110), 14),
)
WEIGHTINGS = ("T1", "PDFS", "T2")
_GRAIN = Texture(31, 3, 7)
_BUNDLES = Texture(32, 9, 20)
_FLOW = 0.22  # how much slower bundles change along the leg than across it
_SHAPE = Texture(33, 35, 80)
_SPOT = Texture(34, 6, 14)


@dataclass(frozen=True, slots=True)
class _Space:
    """Where every pixel lies, in mm from the middle of the joint, slightly bent."""

    x: Field
    y: Field
    z: Field

    def ball(self, at: Point, half: Point) -> Field:
        """How deep pixels lie in an ellipsoid."""
        u, v, w = ((a - b) / h for a, b, h in zip((self.x, self.y, self.z), at, half, strict=True))
        made: Field = (1 - np.sqrt(u * u + v * v + w * w)) * min(half)
        return made

    def cord(self, start: Point, end: Point, radius: float) -> Field:
        """How deep pixels lie in a rounded rod."""
        way = [b - a for a, b in zip(start, end, strict=True)]
        from_start = [a - b for a, b in zip((self.x, self.y, self.z), start, strict=True)]
        along = sum(a * b for a, b in zip(from_start, way, strict=True)) / sum(a * a for a in way)
        along = np.clip(along, 0, 1)
        away = sum((a - along * b) ** 2 for a, b in zip(from_start, way, strict=True))
        made: Field = radius - np.sqrt(away)
        return made


def knee(plane: Plane, weighting: str) -> Field:
    """A slice of the knee; 1 is about the brightest. Origin: the middle of the joint."""
    bend = 0.9 * _SHAPE.on(plane)
    at = _Space(plane.axis(0) + bend, plane.axis(1) + bend, plane.axis(2) - bend)
    column = WEIGHTINGS.index(weighting)
    bright = {tissue: values[column] for tissue, values in _WEIGHTS.items()}
    soft = max(abs(step) for step in (*plane.across, *plane.down)) * 1.6
    skin = _skin(at)
    picture = np.zeros_like(skin)
    paint(picture, edge(skin, soft), bright["cord"] + 0.2)
    paint(picture, edge(skin - 1.2, soft), bright["fat"])
    _flesh(picture, at, plane, skin, bright)
    _joint(picture, at, plane, soft, bright)
    _cords(picture, at, soft, bright)
    picture = softened(picture)
    picture *= 1 + 0.05 * _GRAIN.on(plane)
    picture *= 0.82 + 0.34 * np.exp(-((skin / 26) ** 2))
    seed = int(sum(abs(one) for one in plane.origin) * 7) + column
    real, other = (grain(plane.rows, plane.columns, seed + n) * 0.017 for n in (0, 1000))
    made: Field = np.hypot(picture + real, other)
    return made


def _skin(at: _Space) -> Field:
    """How deep below the skin: thigh above, calf below, the bulge of the patella in front."""
    long = 50 + 0.10 * np.clip(at.z, -20, 80) + 5 * np.exp(-(((at.z - 22) / 22) ** 2))
    wide = 47 + 0.12 * np.clip(at.z, -60, 80)
    middle = 3 - 0.05 * at.z
    near = np.sqrt((at.x / wide) ** 2 + ((at.y - middle) / long) ** 2)
    made: Field = (1 - near) * 50
    return made


def _flesh(
    picture: Field, at: _Space, plane: Plane, skin: Field, bright: Mapping[str, float]
) -> None:
    """Muscles in bundles with fat between them, and the vessels behind the joint."""
    bundles = np.abs(_BUNDLES.on(_along(plane)))
    bellies = at.cord(*_MUSCLES[0])
    for start, end, radius in _MUSCLES[1:]:
        bellies = np.maximum(bellies, at.cord(start, end, radius))
    muscle = np.minimum(bellies, skin - 6.5 - 2 * bundles)
    tone = bright["muscle"] * (0.9 + 0.14 * bundles)
    seams = edge(0.16 - bundles, 0.16) * 0.5
    paint(picture, edge(muscle, 1.8), tone + (bright["fat"] - tone) * seams)
    hollow = np.minimum(9 - np.hypot(at.x - 2, at.y - 33), 30 - np.abs(at.z))
    paint(picture, edge(hollow, 3), bright["fat"])
    for left, back, radius in ((0.0, 31.0, 3.4), (6.0, 35.0, 4.2)):
        tube = radius - np.hypot(at.x - left, at.y - back)
        paint(picture, edge(tube, 1), bright["blood"])


def _along(plane: Plane) -> Plane:
    """The plane with the leg made short: what is drawn on it runs along the leg."""
    origin, across, down = (
        (*one[:2], one[2] * _FLOW) for one in (plane.origin, plane.across, plane.down)
    )
    return replace(plane, origin=origin, across=across, down=down)


def _joint(
    picture: Field, at: _Space, plane: Plane, soft: float, bright: Mapping[str, float]
) -> None:
    """Bones with growth plates, cartilage, menisci, and the water around them."""
    femur, tibia, patella = _femur(at), _tibia(at), at.ball((0, -40, 25), (19, 8.5, 19))
    fibula = np.minimum(at.cord((-33, 20, -22), (-33, 22, -90), 6.5), 99)
    pouch = np.minimum(at.ball((0, -27, 45), (17, 4.2, 21)), -femur - 1)
    inner = at.ball((0, 0, 0), (40, 31, 16))
    wet = np.maximum(pouch, np.minimum(inner, np.minimum(-femur, -tibia)))
    paint(picture, edge(np.minimum(inner, -femur - 2), 1), bright["fat"])
    paint(picture, edge(wet, soft), bright["water"])
    pad = at.ball((0, -29, -2), (22, 13, 16))
    paint(picture, edge(np.minimum(pad, -femur - 3), soft), bright["fat"])
    _menisci(picture, at, soft, bright)
    for bone, near in ((femur, 24 - at.z), (tibia, at.z + 14), (patella, at.y + 40)):
        gristle = bone + 2.6 * np.clip(near / 9, 0, 1) - 0.6
        paint(picture, edge(gristle, soft), bright["cartilage"])
    spots = 0.5 + 0.5 * np.clip(_SPOT.on(plane), -1, 1)
    bruise = edge(at.ball((-22, 2, 3), (13, 16, 11)), 9) * (0.55 + 0.45 * spots)
    for bone in (femur, tibia, patella, fibula):
        paint(picture, edge(bone, soft), bright["bone"])
        paint(picture, edge(bone - 1.1, soft), bright["marrow"])
    paint(picture, edge(femur - 1.4, soft) * bruise, bright["bruise"])
    wave = 1.6 * np.sin(at.x / 6) + 1.2 * np.cos(at.y / 7)
    for bone, height in ((femur, 33 + 0.004 * at.x**2), (tibia, -20 - 0.003 * at.x**2)):
        plate = 1.3 - np.abs(at.z - height - wave)
        paint(picture, edge(bone - 0.6, soft) * edge(plate + 0.9, 0.8), bright["bone"])
        paint(picture, edge(bone - 0.6, soft) * edge(plate, 0.8), bright["plate"])


def _femur(at: _Space) -> Field:
    """The shaft and its two condyles, with the notch between them."""
    flare = np.clip((52 - at.z) / 34, 0, 1)
    shaft = np.minimum(
        13 + 13 * flare**2 - np.hypot(at.x * (1 - 0.28 * flare**2), at.y + 4), at.z - 12
    )
    ends = [at.ball((side * 20.0, 4, 17), (16.5, 26, 16.5)) for side in (-1, 1)]
    groove = at.ball((0, -11, 21), (27, 17.5, 15)) - 3.5 * np.exp(-((at.x / 8) ** 2))
    notch = at.ball((0, 16, 2), (9, 19, 18))
    whole = np.maximum(np.maximum(shaft, groove), np.maximum(*ends))
    made: Field = np.minimum(whole, -notch)
    return made


def _tibia(at: _Space) -> Field:
    """The plateau with its eminence, and the shaft with the tuberosity in front."""
    flare = np.clip((at.z + 58) / 50, 0, 1)
    wide, deep = 16 + 23 * flare**1.6, 17 + 9 * flare**1.6
    around = 1 - np.sqrt((at.x / wide) ** 2 + ((at.y - 1) / deep) ** 2)
    hill = 6.5 * np.exp(-((np.abs(at.x) - 4) ** 2) / 10 - ((at.y - 2) / 8) ** 2)
    cup = 1.4 * np.exp(-(((np.abs(at.x) - 20) / 9) ** 2) - (at.y / 14) ** 2)
    plateau = np.minimum(around * 24, -5.4 + hill - cup - at.z)
    made: Field = np.maximum(plateau, at.ball((0, -22, -36), (9, 8, 14)))
    return made


def _menisci(picture: Field, at: _Space, soft: float, bright: Mapping[str, float]) -> None:
    """Two dark wedges, open towards the middle of the joint."""
    for side in (-1, 1):
        away = np.hypot(at.x - side * 19, (at.y - 1) / 1.25)
        wedge = np.minimum((away - 8.5) * 0.36 - np.abs(at.z + 2.4), 18.5 - away)
        paint(picture, edge(np.minimum(wedge, side * at.x - 4), soft), bright["cord"])


def _cords(picture: Field, at: _Space, soft: float, bright: Mapping[str, float]) -> None:
    """The ligaments and tendons."""
    for start, end, radius in (
        ((-6.0, 14.0, 19.0), (3.0, -12.0, -3.0), 3.0),
        ((6.0, 0.0, 14.0), (3.0, 17.0, 8.0), 3.2),
        ((3.0, 17.0, 8.0), (0.0, 25.0, -10.0), 3.2),
        ((0.0, -47.0, 12.0), (0.0, -33.0, -34.0), 2.6),
        ((0.0, -45.0, 38.0), (0.0, -41.0, 95.0), 3.4),
        ((39.5, 2.0, 24.0), (37.0, 0.0, -34.0), 1.7),
        ((-39.5, 4.0, 24.0), (-36.0, 18.0, -20.0), 1.7),
    ):
        wide = _Space(at.x / (1 if start[0] else 3.2), at.y, at.z)
        paint(picture, edge(wide.cord(start, end, radius), soft), bright["cord"])
