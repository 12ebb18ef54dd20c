"""Explanations as one HTML page that needs nothing else: no network, no other file.

`page_data` computes everything that the page shows, as plain strings and numbers; the template
prints it, and the page's own script draws from it. A text stays text, whatever it holds. Autoescape
is on, and the script never makes HTML of data. The page's content security policy allows no
request, and no script except its own, by hash.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from spex.errors import ArgumentError
from spex.interactions.index import InteractionIndex
from spex.report import facts
from spex.report.page.build import page_data as page_data
from spex.report.page.data import Page

if TYPE_CHECKING:
    import jinja2

    from spex.comparison.results import Comparison
    from spex.explanation import Explanation

# Joined in this order.
_SCRIPTS = ("numbers", "lines", "overlay", "input", "table", "what_if", "difference", "page")
_STYLES = ("page", "input", "table", "print")


def render_html(
    explanations: Sequence["Explanation"],
    index: str | InteractionIndex | None = None,
    order: int | None = None,
    titles: Sequence[str] | None = None,
    one_at_a_time: bool = False,
) -> str:
    """Render one or several explanations into one page.

    Args:
        explanations: One or more.
        index: Index shown first; see `spex.Explanation.interactions`.
        order: Highest order shown first.
        titles: One name for each; default: made from the score.
        one_at_a_time: Whether links at the top show one of them instead of jumping to it.

    Returns:
        The whole document.

    Raises:
        ArgumentError: no explanation, the wrong number of titles, or a wrong index or order.
    """
    names: Sequence[str | None] = [None] * len(explanations) if titles is None else titles
    if len(names) != len(explanations):
        raise ArgumentError(f"{len(names)} titles for {len(explanations)} explanations")
    if not explanations:
        raise ArgumentError("give at least one explanation; the page would be empty")
    pages = [
        page_data(explanation, index, order, title)
        for explanation, title in zip(explanations, names, strict=True)
    ]
    versions = sorted({facts.one_line(explanation.version) for explanation in explanations})
    return render_pages(pages, versions, one_at_a_time)


def render_comparison(found: "Comparison") -> str:
    """Render a comparison: the difference, and both explanations behind a switch."""
    from spex.report.compared import pages

    versions = sorted({facts.one_line(one.version) for one in (found.first, found.second)})
    return render_pages(pages(found), versions, one_at_a_time=True)


def render_pages(pages: Sequence[Page], versions: Sequence[str], one_at_a_time: bool) -> str:
    """The document for pages with computed data."""
    style = "\n".join(source("spex.report", f"{name}.css") for name in _STYLES)
    script = "\n".join(source("spex.report", f"{name}.js") for name in _SCRIPTS)
    return (
        environment_of("spex.report")
        .get_template("page.html")
        .render(
            pages=pages,
            data=[_json(page.script) for page in pages],
            one_at_a_time=one_at_a_time and len(pages) > 1,
            versions=versions,
            style=style,
            script=script,
            style_hash=hash_of(style),
            script_hash=hash_of(script),
        )
    )


def _json(content: Mapping[str, Any]) -> str:
    """JSON that cannot end a script element, whatever its texts hold."""
    told = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return told.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def hash_of(text: str) -> str:
    """A style or a script as a content security policy names it."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def source(package: str, name: str) -> str:
    """A file in the templates of a package, as it is."""
    environment = environment_of(package)
    assert environment.loader is not None  # set below
    return environment.loader.get_source(environment, name)[0]


@cache
def environment_of(package: str) -> "jinja2.Environment":
    """The environment that renders the templates of a package."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
