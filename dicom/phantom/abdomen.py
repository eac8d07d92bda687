"""The upper abdomen as ultrasound sees it: a sector of speckle that breathes, with flow in colour."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    softened,
)

ROWS, COLUMNS = 480, 640
MM = 0.36  # of one pixel
_APEX, _NEAR, _FAR, _HALF = -28.0, 30.0, 188.0, 0.68
_BOX = ((-32, 38), (48, 108))  # the part that is looked at for flow
_PORTAL = curved(((-50, 112), (-22, 84), (6, 84), (34, 72), (60, 74)))
_HEPATIC = curved(((-54, 52), (-34, 46), (-20, 56), (-14, 76)))
_BRANCH = curved(((-78, 84), (-58, 78), (-46, 92)))
_LUMPS = Texture(41, 5, 16)

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Scan:
    """What is the same in all frames: where pixels lie, and in which beam at which depth."""

    x: Field
    y: Field
    away: Field
    angle: Field
    inside: NDArray[np.bool_]
    lumps: Field

    def speckle(self, seed: int, shift: float) -> Field:
        """Grain that is as wide as a beam and as deep as a pulse, moved by `shift` mm."""
        beams, depths = 250, 420
        drawn = grain(depths, beams, seed) ** 2 + grain(depths, beams, seed + 1) ** 2
        row = np.clip((self.away - _NEAR - shift) * 2.5, 0, depths - 1).astype(np.intp)
        column = np.clip((self.angle / _HALF + 1) * beams / 2, 0, beams - 1).astype(np.intp)
        made: Field = np.sqrt(softened(drawn) / 2)[row, column]
        return made


def cine(frames: int) -> Iterator[Picture]:
    """Frames of 480 x 640 pixels in RGB: one breath, and in it as many heart beats as fit."""
    scan = _scan()
    for number in range(frames):
        yield _frame(scan, number / frames)


def _scan() -> _Scan:
    plane = Plane((-COLUMNS * MM / 2, 0, 0), (MM, 0, 0), (0, MM, 0), COLUMNS, ROWS)
    x, y = plane.axis(0), plane.axis(1)
    away = np.sqrt(x * x + (y - _APEX) ** 2)
    angle = np.arctan2(x, y - _APEX)
    inside = (np.abs(angle) < _HALF) & (away > _NEAR) & (away < _FAR)
    return _Scan(x, y, away, angle, inside, _LUMPS.on(plane))


def _frame(scan: _Scan, moment: float) -> Picture:
    breath = 5 * math.sin(2 * math.pi * moment)
    y = _breathed(scan.y, breath)
    level = _echoes(scan, breath)
    calm, lively = scan.speckle(7, breath), scan.speckle(100 + round(1000 * moment), 0)
    speckle = np.maximum(0.8 * calm + 0.2 * lively, 0.03)
    bright = level + 17 * np.log10(speckle) + 0.8 * scan.lumps
    bright -= 9 * (scan.angle / _HALF) ** 4 + 0.025 * np.abs(scan.away - 100)
    grey = np.clip((bright + 46) / 50, 0, 1) * scan.inside
    picture = np.repeat((255 * grey**1.15).astype(np.uint8)[..., None], 3, axis=2)
    _colour(picture, scan, y, moment, lively)
    _rulers(picture)
    return picture


def _breathed(y: Field, breath: float) -> Field:
    """Where the tissue that is seen at `y` lies at rest."""
    made: Field = y - breath * np.clip(1.2 - y / 220, 0, 1)
    return made


def _echoes(scan: _Scan, breath: float) -> Field:
    """How much each tissue sends back, in dB below the brightest; drawn at half the size."""
    x, y, angle = scan.x[::2, ::2], _breathed(scan.y[::2, ::2], breath), scan.angle[::2, ::2]
    lumps = scan.lumps[::2, ::2]
    level = np.full(x.shape, -21.0, np.float32)
    wall = capsule(x, y, ((-130, 22), (0, 12), (130, 22)), 7)
    level += 9 * edge(wall, 3) - 6 * edge(capsule(x, y, ((-130, 26), (0, 18), (130, 26)), 2), 1)
    kidney = oval(x, y, (54, 112), (44, 24), 24)
    level += (-25.5 - level) * edge(kidney, 2) + 10 * edge(1.3 - np.abs(kidney), 1.2)
    core = oval(x, y, (54, 112), (28, 9.5), 24) + 0.8 * lumps
    level += (-9 - level) * edge(core, 3)
    for turn in range(5):
        at = (54 + 26 * math.cos(1.26 * turn), 112 + 15 * math.sin(1.26 * turn) + 5)
        level -= 5 * edge(oval(x, y, at, (6, 5)), 2)
    dome = np.sqrt((x + 20) ** 2 + (y - 66) ** 2)
    behind = edge(dome - 96, 2) * edge(y - 96, 20) * edge(30 - x, 20)
    level += 18 * edge(2.2 - np.abs(dome - 96), 1.5) * edge(y - 96, 20) * edge(30 - x, 20)
    level -= 8 * behind
    for points, radius in ((_PORTAL, 6.0), (_HEPATIC, 3.8), (_BRANCH, 2.6)):
        tube = capsule(x, y, points, radius)
        level += 9 * edge(1.2 - np.abs(tube), 1) * (radius > 5)
        level += (-50 - level) * edge(tube, 2.6)
    _gallbladder(level, x, y, angle, lumps)
    return softened(np.kron(level, np.ones((2, 2), np.float32)))


def _gallbladder(level: Field, x: Field, y: Field, angle: Field, lumps: Field) -> None:
    """No echo inside, a bright wall, and more light behind it."""
    sac = oval(x, y, (36, 62), (27, 11.5), -28) + 0.25 * lumps
    level += 7 * edge(1.3 - np.abs(sac), 1)
    shade = np.clip((y - 66) / 16, 0, 1) * np.exp(-(((angle - 0.36) / 0.15) ** 2))
    level += 5 * shade * np.clip(2.2 - y / 90, 0, 1)
    level += (-60 - level) * edge(sac - 0.8, 2.4)


def _colour(picture: Picture, scan: _Scan, y: Field, moment: float, lively: Field) -> None:
    """Flow towards the probe in red, away from it in blue, within a box."""
    (left, right), (top, bottom) = ([round(end / MM) for end in side] for side in _BOX)
    box = slice(top, bottom), slice(left + COLUMNS // 2, right + COLUMNS // 2)
    shown, x, y = picture[box], scan.x[box], y[box]
    beat = 0.65 + 0.35 * bell((moment * 4) % 1, 0.35, 0.5)
    for points, radius, sign, speed in ((_PORTAL, 5.2, 1, beat), (_HEPATIC, 3.2, -1, 1.4 - beat)):
        deep = np.clip(capsule(x, y, points, radius) / radius, 0, 1)
        flow = speed * np.sqrt(deep) * (0.85 + 0.15 * lively[box])
        place = flow > 0.22
        strong = np.clip(flow[place], 0, 1)
        first, second = 90 + 165 * strong, np.clip(strong - 0.45, 0, 1) * 380
        mixed = np.zeros((len(strong), 3), np.uint8)
        mixed[:, 1 - sign], mixed[:, 1] = first, second
        shown[place] = mixed
    shown[[0, -1]], shown[:, [0, -1]] = 190, 190


def _rulers(picture: Picture) -> None:
    """A mark each centimetre of depth, and the scales of grey and of flow."""
    for centimetre in range(17):
        row = round((_NEAR + _APEX + 10 * centimetre) / MM)
        if row < ROWS:
            picture[row - 1 : row + 1, 610 : 626 if centimetre % 5 == 0 else 618] = 170
    ramp = np.linspace(255, 0, 120).astype(np.uint8)
    picture[40:160, 24:36] = ramp[:, None, None]
    warm, cold = np.linspace(255, 60, 60), np.linspace(60, 255, 60)
    flow = np.zeros((120, 3), np.uint8)
    flow[:60, 0], flow[:60, 1] = warm, np.clip(warm - 130, 0, 255)
    flow[60:, 2], flow[60:, 1] = cold, np.clip(cold - 130, 0, 255)
    picture[190:310, 24:36] = flow[:, None, :]
