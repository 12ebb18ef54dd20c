"""R2 against evaluations, with its interval, as SVG in the colours of the page."""

import math
from collections.abc import Sequence

import jinja2

from spex.app.job import Point

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 560, 200, 60, 14, 30
_LOWEST = -1.0  # lower values are drawn at this one
# In a narrow picture the letters are larger, so that they stay readable.
_TEMPLATE = jinja2.Environment(autoescape=True).from_string(
    """<style>.curve { container-type: inline-size; max-width: 44rem }
.curve svg { width: 100%; font: 13px sans-serif }
@container (max-width: 480px) { .curve svg { font-size: 21px } }</style>
<div class="curve"><p style="margin: 0.3em 0">{{ label }}</p>
<svg viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ label }}"
 fill="currentColor">
{% for value, y in ticks %}<line x1="{{ left }}" x2="{{ width - 8 }}" y1="{{ y }}" y2="{{ y }}"
 stroke="currentColor" opacity="0.2"/><text x="{{ left - 6 }}" y="{{ y + 5 }}"
 text-anchor="end">{{ value }}</text>{% endfor %}
<polygon points="{{ band }}" fill="#0072b2" opacity="0.25"/>
<polyline points="{{ line }}" fill="none" stroke="#0072b2" stroke-width="2.5"/>
{% for x, y in dots %}<circle cx="{{ x }}" cy="{{ y }}" r="3.5" fill="#0072b2"/>{% endfor %}
<text x="{{ left }}" y="{{ height - 6 }}">0</text>
<text x="{{ width - 8 }}" y="{{ height - 6 }}" text-anchor="end">{{ total }} calls</text>
</svg></div>"""
)


def curve(points: Sequence[Point], total: int) -> str:
    """An SVG picture of 0 to `total` evaluations; the axis goes as far below 0 as R2 did, to -1."""
    shown = [one for one in points if math.isfinite(one.r2 + one.low + one.high)]
    least = min((one.low for one in shown), default=0.0)
    bottom = 0.0 if least >= 0 else -0.5 if least >= -0.5 else _LOWEST

    def place(n: int, value: float) -> tuple[float, float]:
        x = _LEFT + (_WIDTH - _LEFT - 8) * n / max(total, 1)
        share = (min(max(value, bottom), 1.0) - bottom) / (1 - bottom)
        y = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - share)
        return round(x, 1), round(y, 1)

    line = [place(one.n, one.r2) for one in shown]
    band = [place(one.n, one.high) for one in shown]
    band += [place(one.n, one.low) for one in reversed(shown)]
    label = "R2 is known after the first fit"
    if shown:
        last = shown[-1]
        label = f"R2 {last.r2:.2f} (90 %: {last.low:.2f} to {last.high:.2f})"
    values = [0, 0.5, 1] if bottom == 0 else [bottom, 0, 1]
    names = [f"{'≤ ' if least < value == bottom else ''}{value:g}" for value in values]
    return _TEMPLATE.render(
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        label=label,
        total=f"{total:,}",
        ticks=[(name, place(0, value)[1]) for name, value in zip(names, values, strict=True)],
        band=_pairs(band),
        line=_pairs(line),
        dots=line,
    )


def _pairs(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)
