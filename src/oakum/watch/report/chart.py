"""Charts as inline SVG: areas over time with a scale that people can read. Pure text, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final, NamedTuple

from oakum.units import format_size
from oakum.watch.history import Gap
from oakum.watch.report.moments import moment

_LEFT: Final = 74  # room for the scale's words
_TOP: Final = 14
_BOTTOM: Final = 24
_MOST_LINES: Final = 5
_HOURS: Final = (1 / 60, 1 / 12, 1 / 4, 1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720, 1440)
_MOST_HOUR_MARKS: Final = 9


class Layer(NamedTuple):
    """One area of a stack: its name, its CSS class, and a figure for each column."""

    name: str
    style: str
    figures: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Frame:
    """What all charts of a report share: when each column is, and what happened to the host."""

    begin_s: float
    end_s: float
    columns_s: Sequence[float]
    boots_s: Sequence[float]
    gaps: Sequence[Gap]


def stacked(frame: Frame, layers: Sequence[Layer], *, width: int, height: int, bound: float | None = None) -> str:
    """Areas on top of one another, in bytes; `bound` is drawn as a line (the memory that there is)."""
    return _Chart(frame, width, height, format_size, 2).draw(layers, bound)


def counted(frame: Frame, layer: Layer, *, width: int, height: int) -> str:
    """One area, in whole things."""
    return _Chart(frame, width, height, lambda figure: f"{figure:.0f}", 10).draw([layer], None)


def spark(figures: Sequence[float | None], *, width: int = 160, height: int = 28) -> str:
    """A tiny area without a scale, for a line of a table."""
    top = max((figure for figure in figures if figure is not None), default=0.0) or 1.0
    step = width / max(len(figures), 1)
    paths = [
        _area([(x * step, height - (figures[x] or 0.0) / top * (height - 2)) for x in run], height)
        for run in _runs(figures)
    ]
    return f'<svg class="spark" viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true">{"".join(paths)}</svg>'


class _Chart:
    """One drawing: knows where a moment and a figure are."""

    def __init__(self, frame: Frame, width: int, height: int, label: Callable[[float], str], base: int) -> None:
        self._frame, self._width, self._height, self._label, self._base = frame, width, height, label, base
        self._top = 1.0

    def draw(self, layers: Sequence[Layer], bound: float | None) -> str:
        sums = [
            sum(figure or 0.0 for figure in column) for column in zip(*(layer.figures for layer in layers), strict=True)
        ]
        self._step, self._top = scale(max(sums, default=0.0), self._base)
        shown = bound if bound is not None and bound <= 2.5 * self._top else None
        if shown is not None:
            self._step, self._top = scale(max(shown, *sums), self._base)
        parts = [*self._grid(), *self._happened(), *self._areas(layers)]
        if shown is not None:
            y = self._y(shown)
            parts.append(f'<line class="bound" x1="{_LEFT}" x2="{self._width}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(
                f'<text class="bound" x="{self._width}" y="{y - 4:.1f}">all there is: {escape(self._label(shown))}</text>'
            )
        parts += self._bands(layers)
        return f'<svg class="chart" viewBox="0 0 {self._width} {self._height}" role="img">{"".join(parts)}</svg>'

    def _x(self, at_s: float) -> float:
        frame = self._frame
        return _LEFT + (at_s - frame.begin_s) / (frame.end_s - frame.begin_s or 1.0) * (self._width - _LEFT)

    def _y(self, figure: float) -> float:
        return self._height - _BOTTOM - figure / self._top * (self._height - _TOP - _BOTTOM)

    def _grid(self) -> Iterator[str]:
        for number in range(round(self._top / self._step) + 1):
            figure = number * self._step
            y = self._y(figure)
            yield f'<line class="grid" x1="{_LEFT}" x2="{self._width}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text class="scale" x="{_LEFT - 8}" y="{y + 4:.1f}">{escape(self._label(figure))}</text>'
        hours = (self._frame.end_s - self._frame.begin_s) / 3600
        every = next((each for each in _HOURS if hours / each <= _MOST_HOUR_MARKS), _HOURS[-1])
        every = round(every * 3600)
        mark = -(-self._frame.begin_s // every) * every
        while mark <= self._frame.end_s:
            day, _, time = moment(mark).partition(" ")
            text, style = (day[5:], " day") if time == "00:00" else (time, "")
            x = self._x(mark)
            yield f'<line class="tick{style}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{self._height - _BOTTOM + 5}"/>'
            if _LEFT + 16 < x < self._width - 16:
                yield f'<text class="time{style}" x="{x:.1f}" y="{self._height - 6}">{text}</text>'
            mark += every

    def _happened(self) -> Iterator[str]:
        floor = self._height - _BOTTOM
        for gap in self._frame.gaps:
            x, end = self._x(gap.start_s), self._x(gap.end_s)
            yield f'<rect class="gap" x="{x:.1f}" y="{_TOP}" width="{max(end - x, 1):.1f}" height="{floor - _TOP}"/>'
        for boot in self._frame.boots_s:
            x = self._x(boot)
            yield f'<line class="boot" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{floor}"/>'
            yield f'<text class="boot" x="{x + 4:.1f}" y="{_TOP + 10}">booted</text>'

    def _areas(self, layers: Sequence[Layer]) -> Iterator[str]:
        below = [0.0] * len(self._frame.columns_s)
        for layer in layers:
            above = [under + (figure or 0.0) for under, figure in zip(below, layer.figures, strict=True)]
            for run in _runs(layer.figures):
                xs = [self._x(self._frame.columns_s[index]) for index in run]
                outline = [(x, self._y(above[index])) for x, index in zip(xs, run, strict=True)]
                base = [(x, self._y(below[index])) for x, index in zip(xs, run, strict=True)]
                points = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*outline, *reversed(base)])
                yield f'<polygon class="{layer.style}" points="{points}"/>'
                line = " ".join(f"{x:.1f},{y:.1f}" for x, y in outline)
                yield f'<polyline class="{layer.style} edge" points="{line}"/>'
            below = above

    def _bands(self, layers: Sequence[Layer]) -> Iterator[str]:
        """One invisible stripe a column, which tells its figures to whoever points at it."""
        width = (self._width - _LEFT) / max(len(self._frame.columns_s), 1)
        for index, at_s in enumerate(self._frame.columns_s):
            lines = [f"{moment(at_s)} UTC"]
            for layer in reversed(layers):
                figure = layer.figures[index]
                lines.append(f"{layer.name}: {'not known' if figure is None else self._label(figure)}")
            title = escape("\n".join(lines))
            x = self._x(at_s) - width / 2
            height = self._height - _TOP - _BOTTOM
            yield f'<rect class="band" x="{x:.1f}" y="{_TOP}" width="{width:.2f}" height="{height}"><title>{title}</title></rect>'


def scale(largest: float, base: int) -> tuple[float, float]:
    """(step, top) of a scale from zero with at most five steps, in powers of 2 for bytes or in 1, 2, 5 for numbers."""
    step = 1.0
    factors = (2.0,) if base == 2 else (2.0, 2.5, 2.0)
    turn = 0
    while step * _MOST_LINES < largest:
        step *= factors[turn % len(factors)]
        turn += 1
    steps = max(-(-largest // step), 1.0)
    return step, step * steps


def _runs(figures: Sequence[float | None]) -> Iterator[list[int]]:
    """Indices of known figures, in unbroken stretches."""
    known = [index for index, figure in enumerate(figures) if figure is not None]
    breaks = [0, *(place + 1 for place, (a, b) in enumerate(pairwise(known)) if b != a + 1), len(known)]
    for begin, end in pairwise(breaks):
        if end > begin:
            yield known[begin:end]


def _area(outline: Sequence[tuple[float, float]], floor: float) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*outline, (outline[-1][0], floor), (outline[0][0], floor)])
    return f'<polygon points="{points}"/>'
