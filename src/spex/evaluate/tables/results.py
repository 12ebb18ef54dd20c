"""Results: tables, means over items with intervals, Markdown and figures."""

import math
from collections import Counter
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
_CONSTANT, _NO_CHANGE = "the function gives one value for all masks", "f(N) = f(none)"
_NO_EFFECT = "all effects are 0"
_NO_RANKING = f"{_NO_EFFECT}, or there are no two to rank"
# Why a metric may have no number.
UNDEFINED = {
    "r2": _CONSTANT,
    "lds": _CONSTANT,
    "relative": "f(N) is 0",
    "deletion_area": _NO_CHANGE,
    "insertion_area": _NO_CHANGE,
    "sufficiency": _NO_CHANGE,
    "necessity": _NO_CHANGE,
    "stability": "all scores are alike",
    "stability_top": "there is no interaction",
    "unused": "all scores are 0",
    "asymmetry": "all scores are 0",
    "noise_similarity": "all scores are alike",
    "single_ndcg": _NO_RANKING,
    "single_signs": _NO_EFFECT,
    "pair_ndcg": _NO_RANKING,
    "pair_signs": _NO_EFFECT,
    **dict.fromkeys(("pair_error", "pair_size", "pair_covered"), "there is no pair"),
}


@dataclass(frozen=True)
class Results:
    """What an experiment found.

    Args:
        rows: One number each; see `spex.evaluate.tables.rows.Row`.
        main: The metrics that tables and figures show, the first of them first.
        left_out: Which rows of the data were not used, in words; empty if all were.
    """

    rows: tuple[Row, ...]
    main: tuple[str, ...]
    left_out: str = ""

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
        from spex.evaluate.tables.markdown import markdown

        return markdown(
            self.rows,
            self.main,
            self.summary(),
            self.summary(by_group=True),
            self.undefined,
            self.failures(),
            self.left_out,
        )

    @property
    def skipped(self) -> str:
        """What a figure does not show, in words: rows of data, and cells by method."""
        keys = {(row.key, row.method) for row in self.rows if row.status != OK}
        methods = Counter(method for _, method in keys)
        cells = ", ".join(f"{method} {count:,}" for method, count in methods.items())
        total = len({row.key for row in self.rows})
        parts = [self.left_out] if self.left_out else []
        if cells:
            parts.append(f"not measured, of {counted(total, 'cell')}: {cells}")
        return "; ".join(parts)

    def undefined(self, metric: str) -> str:
        """Why a metric has no number at all, in words; empty if it has one."""
        of_metric = [row for row in self.rows if row.metric == metric and row.status == OK]
        if any(math.isfinite(row.value) for row in of_metric):
            return ""
        items = len({row.item for row in self.rows})
        if not of_metric:
            return "no cell was measured"
        reason = UNDEFINED.get(metric)
        return f"0 of {counted(items, 'item')}; undefined" + (f": {reason}" if reason else "")

    def plot(self, metric: str | None = None) -> "Figure":
        """A metric against the budget, or along its curve: mean and interval of each method.

        Args:
            metric: Default: the first of `main`. Of a curve, one panel for each budget.

        Raises:
            ArgumentError: it has no number; see `undefined`.
            MissingExtraError: matplotlib is not installed.
        """
        from spex.evaluate.tables.figures import draw

        name = self.main[0] if metric is None else metric
        summary = self.summary()
        if reason := self.undefined(name):
            known = sorted(set(summary["metric"]) - {EVALUATIONS, LAST})
            raise ArgumentError(
                f"{name} cannot be drawn: {reason}; metrics that can: {', '.join(known) or 'none'}"
            )
        items = len({row.item for row in self.rows})
        return draw(summary[summary["metric"] == name], name, items, self.skipped)

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
        write_bytes(path, parquet(self.to_frame()))

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


def parquet(frame: "pd.DataFrame") -> bytes:
    """A table as the content of a Parquet file.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    require("pyarrow", "evaluate")
    content: bytes = frame.to_parquet(index=False)
    return content


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
