"""The index page of many explanations, and their own pages."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.explanations import Explanations
from spex.files import write_text
from spex.many.records import FAILED, LEFT, PARTIAL, Record, file_of
from spex.report.html import environment_of, hash_of, source
from spex.wording import counted, percent, short

if TYPE_CHECKING:
    import pandas as pd

INDEX = "index.html"
_MOST_RECURRING = 15


def write_pages(
    many: Mapping[str, Explanation | Explanations],
    records: Mapping[str, Record],
    data: Mapping[str, Any],
    folder: Path,
) -> Path:
    """Write a page for each explanation, and the index page that links them.

    Args:
        many: The explanations, by name.
        records: The result of each.
        data: See `index_data`.
        folder: Where the pages go.

    Returns:
        The index page.

    Raises:
        ArgumentError: a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"{folder}: {error.strerror}; give another folder") from error
    for name in many:
        many[name].to_html(folder / page_of(records[name]))
    style = source("spex.many", "index.css")
    template = environment_of("spex.many").get_template("index.html")
    page = template.render(style=style, style_hash=hash_of(style), **data)
    write_text(folder / INDEX, page)
    return folder / INDEX


def page_of(record: Record) -> str:
    """The file of an item's page."""
    return Path(record.file or file_of(record.name)).with_suffix(".html").name


def index_data(
    records: Collection[Record],
    orders: "pd.DataFrame",
    recurring: Mapping[int, "pd.DataFrame"],
    unfit: int,
    stopped: str | None,
) -> dict[str, Any]:
    """Everything that the index page shows, as texts.

    Args:
        records: What came of each item.
        orders: See `ManyExplanations.orders`.
        recurring: See `ManyExplanations.recurring`, by order.
        unfit: See `ManyExplanations.unfit`.
        stopped: Which limit stopped the run.
    """
    evaluations = sum(one.outputs[0].n_evaluations for one in records if one.outputs)
    without = [one.status for one in records if not one.is_explained]
    counts = (f", {without.count(why):,} {why}" for why in (FAILED, LEFT) if why in without)
    shares = [
        {
            "order": row["order"],
            "share": percent(row["share"]),
            "width": 100 * row["share"],
            "items": f"{row['items']:,}",
        }
        for row in _records(orders)
    ]
    parts = []
    for order, title in ((1, "Units"), (2, "Pairs"), (3, "Combinations of three")):
        found = recurring[order].head(_MOST_RECURRING)
        rows = [
            {
                "units": short(row["units"], 80),
                "items": f"{row['items']:,}",
                "value": f"{row['value']:+.3g}",
                "same_sign": percent(row["same_sign"]),
            }
            for row in _records(found)
        ]
        if rows:
            title = f"{title} that are among the 20 largest of several items, most frequent first"
            parts.append({"title": title, "rows": rows})
    return {
        "title": counted(len(records) - len(without), "explanation") + "".join(counts),
        "summary": f"{counted(evaluations, 'evaluation')} in all"
        + (f"; stopped: {stopped}" if stopped else ""),
        "unfit": f"{left_out(unfit)}." if unfit else "",
        "orders": shares,
        "recurring": parts,
        "items": [row for record in records for row in _rows(record)],
    }


def left_out(unfit: int) -> str:
    """A sentence on explanations that the tables over all items leave out."""
    return f"{counted(unfit, 'explanation')} with an R2 of 0 or less left out here"


def _rows(record: Record) -> list[dict[str, Any]]:
    if not record.is_explained:
        reason = f"{record.status}: {record.reason}"
        return [{"name": short(record.name, 60), "link": "", "failed": True, "reason": reason}]
    link = quote(page_of(record))
    rows = []
    for one in record.outputs:
        labels, value = one.top[0] if one.top else ((), None)
        name = record.name if not one.output else f"{record.name}: {one.output}"
        name += " (partial)" if record.status == PARTIAL else ""
        r2 = "unknown" if one.r2 is None else f"{one.r2:.3f}"
        if one.r2_low is not None and one.r2_high is not None and one.r2_low < one.r2_high:
            r2 += f" ({one.r2_low:.3f} to {one.r2_high:.3f})"
        rows.append(
            {
                "name": short(name, 60),
                "failed": False,
                "link": link,
                "r2": r2,
                "strongest": " + ".join(short(label, 30) for label in labels) or "none",
                "value": "" if value is None else f"{value:+.3g}",
                "n_features": f"{one.n_features:,}",
                "n_evaluations": f"{one.n_evaluations:,}",
            }
        )
    return rows


def _records(frame: "pd.DataFrame") -> list[dict[Any, Any]]:
    return frame.to_dict("records")
