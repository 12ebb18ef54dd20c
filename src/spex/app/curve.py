"""R2 against evaluations, with its interval, as SVG in the colours of the page."""

import math
from collections.abc import Sequence

import jinja2

from spex.app.job import Point

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 560, 200, 44, 12, 28
_TEMPLATE = jinja2.Environment(autoescape=True).from_string(
    """<svg viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ label }}"
 style="max-width: 44rem; width: 100%; font: 12px sans-serif" fill="currentColor">
{% for value, y in ticks %}<line x1="{{ left }}" x2="{{ width - 8 }}" y1="{{ y }}" y2="{{ y }}"
 stroke="currentColor" opacity="0.2"/><text x="{{ left - 6 }}" y="{{ y + 4 }}"
 text-anchor="end">{{ value }}</text>{% endfor %}
<polygon points="{{ band }}" fill="#0072b2" opacity="0.25"/>
<polyline points="{{ line }}" fill="none" stroke="#0072b2" stroke-width="2.5"/>
{% for x, y in dots %}<circle cx="{{ x }}" cy="{{ y }}" r="3.5" fill="#0072b2"/>{% endfor %}
<text x="{{ left }}" y="{{ height - 8 }}">0</text>
<text x="{{ width - 8 }}" y="{{ height - 8 }}" text-anchor="end">{{ total }} calls</text>
<text x="{{ width / 2 }}" y="{{ height - 8 }}" text-anchor="middle">{{ label }}</text>
</svg>"""
)


def curve(points: Sequence[Point], total: int) -> str:
    """An SVG picture of 0 to `total` evaluations; values below 0 are drawn at 0."""

    def place(n: int, value: float) -> tuple[float, float]:
        x = _LEFT + (_WIDTH - _LEFT - 8) * n / max(total, 1)
        y = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - min(max(value, 0.0), 1.0))
        return round(x, 1), round(y, 1)

    shown = [one for one in points if math.isfinite(one.r2 + one.low + one.high)]
    line = [place(one.n, one.r2) for one in shown]
    band = [place(one.n, one.high) for one in shown]
    band += [place(one.n, one.low) for one in reversed(shown)]
    label = "R2 is known after the first fit"
    if shown:
        last = shown[-1]
        label = f"R2 {last.r2:.2f} (90 %: {last.low:.2f} to {last.high:.2f})"
    return _TEMPLATE.render(
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        label=label,
        total=f"{total:,}",
        ticks=[(f"{value:g}", place(0, value)[1]) for value in (0, 0.5, 1)],
        band=_pairs(band),
        line=_pairs(line),
        dots=line,
    )


def _pairs(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)
