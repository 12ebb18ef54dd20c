"""Results of many items: explanations by name, a table, and statistics over all of them."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spex.errors import ArgumentError
from spex.evaluate.tables.results import check_table, parquet
from spex.explanation import Explanation
from spex.explanations import Explanations
from spex.files import read_json, write_bytes
from spex.many.records import FAILED, LEFT, Journal, Output, Record
from spex.saving import format_of
from spex.wording import counted

if TYPE_CHECKING:
    import pandas as pd

JOURNAL = "items.jsonl"
# An explanation that is no better than a constant says nothing of the others.
_LEAST_R2 = 0.0


class ManyExplanations(Mapping[str, Explanation | Explanations]):
    """The explanations of many items, by name; those of a folder are read when they are asked for.

    A mapping from the names of the items that were explained; `failures` has those that failed,
    and `records` has all.

    Args:
        folder: Where the explanations are; None if they are held in memory.
        records: What came of each item, by name.
        stopped: What ended the run early, such as a limit, in a few words; None if nothing did.

    Attributes:
        folder: As given.
        records: As given.
        stopped: As given.

    Example:
        >>> import spex
        >>> f = spex.PredictFunction(spex.Text("not bad"), lambda texts: list(map(len, texts)))
        >>> many = spex.explain_many({"first": f}, budget=4)
        >>> list(many), many["first"].r2, dict(many.failures)
        (['first'], 1.0, {})
    """

    def __init__(
        self, folder: Path | None, records: Mapping[str, Record], stopped: str | None = None
    ) -> None:
        self.folder = folder
        self.records = records
        self.stopped = stopped
        self._held: dict[str, Explanation | Explanations] = {}

    @classmethod
    def load(cls, folder: str | Path) -> "ManyExplanations":
        """Read what `explain_many(out=folder)` wrote.

        Raises:
            ArgumentError: it wrote nothing there.
        """
        path = Path(folder)
        if not (path / JOURNAL).is_file():
            raise ArgumentError(
                f"{path} has no {JOURNAL}; give a folder that spex explain --data or "
                "spex.explain_many wrote"
            )
        return cls(path, Journal(path / JOURNAL).records)

    def hold(self, name: str, found: Explanation | Explanations) -> None:
        """Keep an explanation in memory."""
        self._held[name] = found

    def of_names(
        self, names: Sequence[str], begun: Collection[str], stopped: str | None
    ) -> "ManyExplanations":
        """Those of some items, in this order; a folder may hold others of earlier runs.

        Args:
            names: Names of the items.
            begun: Names of those of which something came in this run.
            stopped: See above; with it the others are "not explained".
        """
        records = {name: self.records[name] for name in names if name in begun}
        if stopped is not None:
            left = {name: Record(name, LEFT, None, stopped) for name in names}
            records = {**left, **records}
        found = ManyExplanations(self.folder, records, stopped)
        found._held = self._held
        return found

    def __getitem__(self, name: str) -> Explanation | Explanations:
        record = self.records.get(name)
        if record is None or not record.is_explained:
            why = "is not explained" if record is None else f"{record.status}: {record.reason}"
            raise KeyError(f"item {name!r} {why}")
        if name in self._held:
            return self._held[name]
        if self.folder is None or record.file is None:
            raise KeyError(f"item {name!r} is not kept")
        path = self.folder / record.file
        content = read_json(path)
        if format_of(content) == Explanations.FORMAT:
            return Explanations.of_file(path, content)
        return Explanation.of_file(path, content)

    def __iter__(self) -> Iterator[str]:
        return (name for name, record in self.records.items() if record.is_explained)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def failures(self) -> dict[str, str]:
        """Why items could not be explained, by name."""
        return {name: one.reason for name, one in self.records.items() if one.status == FAILED}

    def to_frame(self) -> "pd.DataFrame":
        """One row for each item, or for each of its outputs; with the reason if there are none.

        Columns: item, status, reason, file, seconds, output, n_features, n_evaluations, method, r2,
        r2_low, r2_high, whole, nothing (the values with all features and with none), score, answer,
        strongest (the largest interaction, by its labels) and value.
        """
        import pandas as pd

        frame = pd.DataFrame([row for record in self.records.values() for row in record.rows()])
        return frame.astype({"n_features": "Int64", "n_evaluations": "Int64"})

    def save_table(self, path: str | Path) -> None:
        """Write `to_frame` as .csv, or as .parquet (needs pyarrow).

        Raises:
            ArgumentError: the file has another ending, or cannot be written.
        """
        path = Path(path)
        check_table(path, "path")
        frame = self.to_frame()
        content = frame.to_csv(index=False).encode() if path.suffix == ".csv" else parquet(frame)
        write_bytes(path, content)

    def orders(self) -> "pd.DataFrame":
        """How much interactions of each order carry: shares of the surrogates' variance.

        Those with an R2 of 0 or less are left out; `unfit` counts them.

        Returns:
            One row for each order from 1: `order`, `share` (mean over outputs whose surrogate is
            not constant), `items` (outputs that have any of this order).
        """
        import pandas as pd

        shares = [output.orders for output in self._outputs() if output.orders]
        width = max(map(len, shares), default=0)
        table = np.array([np.pad(one, (0, width - len(one))) for one in shares])
        return pd.DataFrame(
            {
                "order": np.arange(1, width + 1),
                "share": table.mean(axis=0) if width else [],
                "items": (table > 0).sum(axis=0) if width else [],
            }
        )

    def recurring(self, order: int | None = None, at_least: int = 2) -> "pd.DataFrame":
        """Units and combinations that are among the 20 largest interactions of several items.

        Case, and punctuation around a label, do not matter. If an item has a combination several
        times, it counts once, with the sum of its values. Explanations with an R2 of 0 or less are
        left out; `unfit` counts them.

        Args:
            order: Order of the combinations: 1 for units, 2 for pairs; default: all.
            at_least: The smallest number of items that have it.

        Returns:
            A frame, the most frequent first: `units` (labels, joined by " + "), `order`, `items`
            (how many have it), `value` (mean over these), `same_sign` (share of these with the
            sign of the mean).
        """
        import pandas as pd

        found: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for output in self._outputs():
            of_output: dict[tuple[str, ...], float] = defaultdict(float)
            for labels, value in output.top:
                if order is None or len(labels) == order:
                    of_output[tuple(sorted(map(_plain, labels)))] += value
            for key, value in of_output.items():
                found[key].append(value)
        rows = [
            {
                "units": " + ".join(key),
                "order": len(key),
                "items": len(values),
                "value": float(np.mean(values)),
                "same_sign": float(np.mean(np.sign(values) == np.sign(np.mean(values)))),
            }
            for key, values in found.items()
            if len(values) >= at_least
        ]
        frame = pd.DataFrame(rows, columns=["units", "order", "items", "value", "same_sign"])
        by_size = frame.assign(size=frame["value"].abs())
        by_size = by_size.sort_values(["items", "size"], ascending=False, kind="stable")
        return by_size.drop(columns="size").reset_index(drop=True)

    def to_html(self, folder: str | Path | None = None) -> Path:
        """Write the page of every explanation, and index.html, which links them.

        Args:
            folder: Where they go; default: where the explanations are.

        Returns:
            The index page.

        Raises:
            ArgumentError: there is no folder, or it cannot be written to.
        """
        from spex.many.page import index_data, write_pages

        place = self.folder if folder is None else Path(folder)
        if place is None:
            raise ArgumentError("the explanations are in no folder; give one: to_html('pages')")
        recurring = {order: self.recurring(order) for order in (1, 2, 3)}
        data = index_data(self.records.values(), self.orders(), recurring, self.unfit, self.stopped)
        return write_pages(self, self.records, data, place)

    @property
    def unfit(self) -> int:
        """How many explanations have an R2 of 0 or less: no better than a constant."""
        return sum(_is_unfit(output) for output in self._all_outputs())

    def _outputs(self) -> Iterator[Output]:
        return (output for output in self._all_outputs() if not _is_unfit(output))

    def _all_outputs(self) -> Iterator[Output]:
        return (output for record in self.records.values() for output in record.outputs)

    def __repr__(self) -> str:
        failed = f", {len(self.failures):,} failed" if self.failures else ""
        where = "" if self.folder is None else f" in {self.folder}"
        return f"{counted(len(self), 'explanation')}{failed}{where}"


class ManyInterrupted(KeyboardInterrupt):
    """Ctrl-C while many items were explained; nothing that was finished is lost.

    Attributes:
        many: The result of each item. For the item at work, values that no store keeps are
            explained at once, as a partial explanation; the same call finds the others in the
            store.

    Example:
        >>> import spex
        >>> def f(masks):
        ...     return 1.0 * masks[:, 0]
        >>> def slow(masks):
        ...     raise KeyboardInterrupt
        >>> f.features = slow.features = ["a", "b"]
        >>> try:
        ...     many = spex.explain_many({"first": f, "second": slow}, budget=4)
        ... except spex.ManyInterrupted as stop:
        ...     many = stop.many
        >>> list(many), many.records["second"].status
        (['first'], 'not explained')
    """

    def __init__(self, many: ManyExplanations) -> None:
        super().__init__(f"interrupted; {many!r}")
        self.many = many


def _is_unfit(output: Output) -> bool:
    return output.r2 is not None and output.r2 <= _LEAST_R2


def _plain(label: str) -> str:
    return re.sub(r"^\W+|\W+$", "", label.casefold()) or label
