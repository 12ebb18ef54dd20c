"""Results: tables, means over items with intervals, Markdown and figures."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spex._typing import FloatArray
from spex.errors import ArgumentError
from spex.evaluate.tables.rows import COLUMNS, EVALUATIONS, LAST, OK, Row, csv_text
from spex.extras import require
from spex.files import write_bytes, write_text
from spex.wording import counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_RESAMPLES, _LEVEL = 2000, 0.9
EVERY = "all"
_KINDS = {".csv": "CSV", ".parquet": "Parquet"}
_PICTURES = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Results:
    """What an experiment found.

    Args:
        rows: One number each; see `spex.evaluate.tables.rows.Row`.
        main: The metrics that tables and figures show, the first of them first.
    """

    rows: tuple[Row, ...]
    main: tuple[str, ...]

    def to_frame(self) -> "pd.DataFrame":
        """One row for each number: the columns of `spex.evaluate.tables.rows.Row`."""
        import pandas as pd

        return pd.DataFrame(
            {name: [getattr(row, name) for row in self.rows] for name in COLUMNS}, columns=COLUMNS
        )

    def summary(self, by_group: bool = False) -> "pd.DataFrame":
        """Means over items, each of its mean over seeds, with 90 % intervals.

        The intervals are percentiles of 2,000 bootstrap resamples of the items; NaN of one item.

        Args:
            by_group: Whether items of one range of lengths are summed up by themselves.

        Returns:
            The columns method, budget, metric, at, group, items, mean, low and high.
        """
        import pandas as pd

        frame = self.to_frame()
        frame = frame[(frame["status"] == OK) & frame["value"].notna()]
        if not by_group:
            frame = frame.assign(group=EVERY)
        keys = ["method", "budget", "metric", "at", "group"]
        found = []
        if len(frame):
            of_items = frame.groupby([*keys, "item"], dropna=False, sort=False)["value"].mean()
            for key, values in of_items.groupby(level=keys, dropna=False, sort=False):
                low, high = bootstrap_interval(values.to_numpy(dtype=np.float64))
                # pandas types a key of several levels as one value
                of_key: tuple[Any, ...] = tuple(key)  # type: ignore[arg-type]
                found.append((*of_key, len(values), values.mean(), low, high))
        return pd.DataFrame(found, columns=[*keys, "items", "mean", "low", "high"])

    def failures(self) -> dict[str, int]:
        """How many cells were refused or failed, by reason."""
        counts: dict[str, int] = {}
        for row in self.rows:
            if row.status != OK:
                reason = f"{row.method} {row.status}: {row.reason}"
                counts[reason] = counts.get(reason, 0) + 1
        return counts

    def to_markdown(self) -> str:
        """Tables of the main metrics: methods down, budgets or points of a curve across."""
        total = len({row.item for row in self.rows})
        parts = [self._table(self.summary(), metric, total) for metric in self.main]
        groups = sorted(
            {row.group for row in self.rows}, key=lambda group: int(group.split("-")[0])
        )
        if len(groups) > 1:
            by_group = self.summary(by_group=True)
            for group in groups:
                items = len({row.item for row in self.rows if row.group == group})
                chosen = by_group[by_group["group"] == group]
                parts.append(self._table(chosen, self.main[0], items, f", {group} features"))
        if failures := self.failures():
            lines = [f"- {count} x {reason}" for reason, count in failures.items()]
            parts.append("\n".join(["Not measured:", "", *lines]))
        return "\n\n".join(part for part in parts if part) + "\n"

    def _table(self, summary: "pd.DataFrame", metric: str, items: int, where: str = "") -> str:
        chosen = summary[summary["metric"] == metric]
        if not len(chosen):
            return ""
        is_curve = bool(chosen["at"].notna().any())
        across = "at" if is_curve else "budget"
        columns = sorted(chosen[across].unique())
        down = ["method", "budget"] if is_curve else ["method"]
        head = [*down, *(f"{value:,.6g}" for value in columns)]
        title = f"**{metric}**{where}: mean of {counted(items, 'item')}, 90 % interval"
        lines = [title, "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        for key, rows in chosen.groupby(down, sort=False):
            cells = {row[across]: _cell(row, items) for _, row in rows.iterrows()}
            lines.append(
                "| "
                + " | ".join([*map(_number, key), *(cells.get(value, "") for value in columns)])
                + " |"
            )
        return "\n".join(lines)

    def plot(self, metric: str | None = None) -> "Figure":
        """A metric against the budget, or along its curve: mean and interval of each method.

        Args:
            metric: Default: the first of `main`. Of a curve, one panel for each budget.

        Raises:
            ArgumentError: nothing was measured of it.
            MissingExtraError: matplotlib is not installed.
        """
        from spex.evaluate.tables.figures import draw

        name = self.main[0] if metric is None else metric
        summary = self.summary()
        chosen = summary[summary["metric"] == name]
        if not len(chosen):
            known = sorted(set(summary["metric"]) - {EVALUATIONS, LAST})
            raise ArgumentError(
                f"nothing was measured of {name!r}; metrics: {', '.join(known) or 'none'}"
            )
        return draw(chosen, name)

    def save(self, path: str | Path) -> None:
        """Write the rows: CSV or, where the name ends with .parquet, Parquet.

        Raises:
            ArgumentError: the name ends with neither, or cannot be written.
            MissingExtraError: pyarrow is not installed.
        """
        path = Path(path)
        check_table(path, "path")
        if path.suffix == ".csv":
            write_text(path, csv_text(self.rows, header=True))
            return
        require("pyarrow", "evaluate")
        write_bytes(path, self.to_frame().to_parquet(index=False))

    def save_plot(self, path: str | Path, metric: str | None = None) -> None:
        """Write the figure of `plot`: PNG, SVG or PDF by the ending of its name.

        Raises:
            ArgumentError: see `plot`; or the name ends with none of these.
            MissingExtraError: matplotlib is not installed.
        """
        import io

        path = Path(path)
        check_picture(path, "path")
        figure = self.plot(metric)
        picture = io.BytesIO()
        figure.savefig(picture, format=path.suffix[1:], dpi=200)
        write_bytes(path, picture.getvalue())


def check_table(path: Path, name: str) -> None:
    """Refuse a file of results of another kind than CSV and Parquet.

    Raises:
        ArgumentError: it is.
    """
    if path.suffix not in _KINDS:
        raise ArgumentError(f"{name} {path}: give a name that ends with {' or '.join(_KINDS)}")


def check_picture(path: Path, name: str) -> None:
    """Refuse a picture of a kind that cannot be drawn.

    Raises:
        ArgumentError: it is.
    """
    if path.suffix not in _PICTURES:
        raise ArgumentError(f"{name} {path}: give a name that ends with {', '.join(_PICTURES)}")


def bootstrap_interval(values: FloatArray) -> tuple[float, float]:
    """The 90 % percentile bootstrap interval of a mean (Efron and Tibshirani 1993, section 13.3).

    Args:
        values: (k,) float64, one for each item.

    Returns:
        Lower and upper bound; NaN of fewer than two values.
    """
    if len(values) < 2:
        return math.nan, math.nan
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (_RESAMPLES, len(values)))].mean(axis=1)
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _cell(row: "pd.Series[float]", items: int) -> str:
    text = _decimal(row["mean"])
    if math.isfinite(row["low"]):
        text += f" ({_decimal(row['low'])} to {_decimal(row['high'])})"
    return text if row["items"] == items else f"{text}, {row['items']} of {items}"


def _decimal(value: float) -> str:
    """Three decimals; of small numbers, two digits."""
    return f"{value:.3f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def _number(cell: object) -> str:
    return cell if isinstance(cell, str) else f"{cell:,}"
