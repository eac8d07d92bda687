"""Plots as pictures that the server draws itself: bars under their labels, in SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDE, _HIGH, _FOOT, _SIDE = 640, 160, 20, 40


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label (empty: none is written), and how much it stands for."""

    label: str
    value: int


def bars(title: str, values: Sequence[Bar]) -> Markup:
    """Bars side by side. The title is read out; what they stand for has to stand in a table."""
    most = max((one.value for one in values), default=0) or 1
    step = (_WIDE - _SIDE) / max(1, len(values))
    parts = [_bar(index, one, step, most) for index, one in enumerate(values)]
    parts.append(_axis(most))
    return _drawing(title, "".join(parts), _HIGH + _FOOT)


def _bar(index: int, one: Bar, step: float, most: int) -> str:
    height = round(one.value / most * (_HIGH - 10), 1)
    left = round(_SIDE + index * step, 1)
    drawn = (
        f'<rect x="{left}" y="{_HIGH - height}" width="{round(step * 0.8, 1)}" height="{height}"/>'
    )
    if not one.label:
        return drawn
    return drawn + f'<text x="{left}" y="{_HIGH + 14}">{escape(one.label)}</text>'


def _axis(most: int) -> str:
    line = f'<line x1="{_SIDE}" y1="{_HIGH}" x2="{_WIDE}" y2="{_HIGH}"/>'
    return f'{line}<text x="0" y="14">{most}</text><text x="0" y="{_HIGH}">0</text>'


def share(title: str, part: int, whole: int) -> Markup:
    """One bar of which a part is filled."""
    filled = round(_WIDE * part / max(1, whole), 1)
    rest = f'<rect class="rest" x="0" y="0" width="{_WIDE}" height="24"/>'
    return _drawing(title, f'{rest}<rect x="0" y="0" width="{filled}" height="24"/>', 24)


def _drawing(title: str, inner: str, high: int) -> Markup:
    head = (
        f'<svg class="plot" viewBox="0 0 {_WIDE} {high}" role="img" aria-label="{escape(title)}">'
    )
    return Markup(f"{head}{inner}</svg>")  # noqa: S704 - numbers of ours, and words that are escaped
