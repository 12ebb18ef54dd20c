"""Explanations of several outputs of the same masks: classes, tokens of an answer, scores."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from spex._typing import FloatArray, Interaction
from spex.context import Context
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.fourier.spectrum import Spectrum, weighted_sum
from spex.interactions.index import InteractionIndex
from spex.saving import Found, Saved

if TYPE_CHECKING:
    from spex.report.page.data import Page

_MOST_OUTPUTS = 4096  # in a file


@dataclass(frozen=True, eq=False)
class OutputMoments:
    """Second moments over the masks that measure R2; R2 of a difference follows from them.

    Args:
        values: (q, q) covariance of the values of q outputs.
        errors: (q, q) mean products of their cross-fitted errors.
    """

    values: FloatArray
    errors: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", np.atleast_2d(self.values))
        object.__setattr__(self, "errors", np.atleast_2d(self.errors))

    def of_difference(self, a: int, b: int) -> tuple[float, float]:
        """The variance of output a less output b, and its mean squared error."""
        variance, error = (m[a, a] + m[b, b] - 2 * m[a, b] for m in (self.values, self.errors))
        return float(variance), max(float(error), 0.0)


class Explanations(Saved, Mapping[str, Explanation]):
    """One explanation for each output, by name, all of the same masks.

    Args:
        explanations: By name of the output; at least one, over the same features.
        moments: For R2 of contrasts; None if all masks were evaluated, or it is unknown.

    Example:
        >>> import numpy as np
        >>> import spex
        >>> def two(masks):
        ...     return np.stack([1.0 * masks[:, 0], 1.0 * masks[:, 0] * masks[:, 1]], axis=1)
        >>> both = spex.explain(two, 2, budget=4)
        >>> list(both), both["1"].interactions("Moebius").top(1)
        (['0', '1'], [((0, 1), 1.0)])
    """

    def __init__(
        self, explanations: Mapping[str, Explanation], moments: OutputMoments | None = None
    ) -> None:
        if not explanations:
            raise ArgumentError("no explanation; give at least one output")
        self._explanations = dict(explanations)
        self._moments = moments

    def __getitem__(self, name: str) -> Explanation:
        if name not in self._explanations:
            raise KeyError(f"no output {name!r}; the names are {list(self._explanations)[:20]}")
        return self._explanations[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._explanations)

    def __len__(self) -> int:
        return len(self._explanations)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs, in their order."""
        return tuple(self._explanations)

    def smallest_change(self, *_: object, **__: object) -> NoReturn:
        """Refused: sets are about one output; see `spex.Explanation.smallest_change`.

        Raises:
            ArgumentError: always; it says how to choose an output.
        """
        self._choose("smallest_change")

    def smallest_sufficient(self, *_: object, **__: object) -> NoReturn:
        """Refused, as `smallest_change` is.

        Raises:
            ArgumentError: always.
        """
        self._choose("smallest_sufficient")

    def roles(self, *_: object, **__: object) -> NoReturn:
        """Refused, as `smallest_change` is.

        Raises:
            ArgumentError: always.
        """
        self._choose("roles")

    def _choose(self, name: str) -> NoReturn:
        first = self.outputs[0]
        raise ArgumentError(
            f"{name} is about one output, and there are {len(self):,}; choose one: "
            f"es[{first!r}].{name}(f), with f of that output alone"
        )

    def changed(self, change: Callable[[int, Explanation], Explanation]) -> "Explanations":
        """The same with each explanation replaced by `change(number, explanation)`."""
        pairs = enumerate(self.items())
        return Explanations(
            {name: change(number, one) for number, (name, one) in pairs}, self._moments
        )

    def contrast(self, a: str, b: str) -> Explanation:
        """The explanation of output a less output b: the difference of two spectra.

        Its R2 is that of the difference, from the errors of both on the same masks, without an
        interval. Standard errors take those of both as independent.

        Raises:
            ArgumentError: there is no such output, or both are the same.
        """
        for name in (a, b):
            if name not in self._explanations:
                raise ArgumentError(
                    f"output {name!r} is unknown; choose from {', '.join(map(repr, self.outputs))}"
                )
        if a == b:
            raise ArgumentError(f"output {a!r} minus itself is zero; give two outputs")
        first, second = self[a], self[b]
        minus = np.array([1.0, -1.0])
        spectrum = weighted_sum([first.spectrum, second.spectrum], minus)
        r2, unexplained = self._fidelity_of_difference(a, b)
        exact = self._are_exact(a, b)
        whole, nothing = (
            None if x is None or y is None else x - y
            for x, y in zip(first.observed, second.observed, strict=True)
        )
        return Explanation(
            features=first.features,
            spectrum=spectrum,
            r2=r2,
            r2_interval=(1.0, 1.0) if exact else (math.nan, math.nan),
            n_evaluations=first.n_evaluations,
            method=first.method if first.method == second.method else "several",
            budget=first.budget,
            seed=first.seed,
            standard_errors=_joint_errors(spectrum, first, second),
            unexplained=unexplained,
            r2_distribution=first.r2_distribution,
            correction={
                name: weighted_sum([first.correction[name], second.correction[name]], minus)
                for name in first.correction.keys() & second.correction.keys()
            },
            observed=(whole, nothing),
            notes=first.notes,
            stopped=first.stopped,
            context=_context_of_difference(first.context, second.context, a, b),
        )

    def _are_exact(self, a: str, b: str) -> bool:
        return all(one.r2 == 1.0 and one.method == "exact" for one in (self[a], self[b]))

    def _fidelity_of_difference(self, a: str, b: str) -> tuple[float, float | None]:
        """R2 of output a less output b, and its mean squared error; NaN and None if unknown."""
        if self._are_exact(a, b):
            return 1.0, 0.0
        if self._moments is None:
            return math.nan, None
        names = self.outputs
        variance, error = self._moments.of_difference(names.index(a), names.index(b))
        return (1 - error / variance if variance > 0 else math.nan), error

    FORMAT = "spex-explanations"
    FORMAT_VERSION = 1

    def _content(self) -> dict[str, Any]:
        moments = self._moments
        return {
            "outputs": {name: one.to_dict() for name, one in self.items()},
            "moments": None
            if moments is None
            else {"values": moments.values.tolist(), "errors": moments.errors.tolist()},
        }

    @classmethod
    def _read(cls, found: Found) -> "Explanations":
        outputs = found["outputs"]
        if not 1 <= len(list(outputs.items())) <= _MOST_OUTPUTS:
            raise outputs.error(f"an object of 1 to {_MOST_OUTPUTS:,} outputs")
        explanations = {name: one.read_as(Explanation) for name, one in outputs.items()}
        if len({one.features for one in explanations.values()}) != 1:
            raise outputs.error("outputs of the same features")
        given, q, moments = found.get("moments"), len(explanations), None
        if given.value is not None:
            values, errors = (
                np.stack([row.numbers(q) for row in given[key].list(q, q)])
                for key in ("values", "errors")
            )
            moments = OutputMoments(values, errors)
        return cls(explanations, moments)

    def to_html(
        self,
        path: str | Path,
        index: str | InteractionIndex | None = None,
        order: int | None = None,
    ) -> None:
        """Write one self-contained page with a switch: each output, and the difference of any two.

        Args:
            path: The file.
            index: See `Explanation.to_html`.
            order: See `Explanation.to_html`.
        """
        from spex.files import write_text
        from spex.report.html import render_pages
        from spex.report.page.build import page_data
        from spex.wording import one_line

        pages = [page_data(one, index, order, name) for name, one in self.items()]
        difference = self._difference_page(index, order)
        if difference is not None:
            pages.append(difference)
        versions = sorted({one_line(one.version) for one in self.values()})
        write_text(Path(path), render_pages(pages, versions, one_at_a_time=True))

    def _difference_page(
        self, index: str | InteractionIndex | None, order: int | None
    ) -> "Page | None":
        """A page that can show the difference of any two outputs; None if none are alike."""
        from spex.comparison.comparing import compare
        from spex.report.compared import outputs_page

        names, units = self.outputs, [one.context.score_unit or "" for one in self.values()]
        fidelity = {
            (i, j): self._fidelity_of_difference(names[i], names[j])
            for i, j in combinations(range(len(names)), 2)
            if units[i] == units[j]
        }
        if not fidelity:
            return None
        a, b = (names[i] for i in min(fidelity))
        found = compare(self[a], self[b], index, order, (a, b))
        return outputs_page(found, self, fidelity)

    def _repr_html_(self) -> str:
        from spex.report.notebook import explanations_html

        return explanations_html(self)

    def __repr__(self) -> str:
        return "\n\n".join(f"{name}: {one!r}" for name, one in self.items())


def _context_of_difference(first: Context, second: Context, a: str, b: str) -> Context:
    same_unit = first.score_unit == second.score_unit
    return replace(
        first,
        score=f"{first.score or a} - {second.score or b}",
        score_unit=first.score_unit if same_unit else None,
        score_threshold=0.0 if same_unit else None,  # the score at which both are equal
        answer=None,
        compared=None,
    )


def _joint_errors(spectrum: Spectrum, *both: Explanation) -> FloatArray | None:
    """The standard errors of a sum or a difference of independent spectra; None if unknown."""
    squared: dict[Interaction, float] = {}
    for one in both:
        if one.standard_errors is None:
            return None
        for k, error in zip(one.spectrum.interactions, one.standard_errors, strict=True):
            squared[k] = squared.get(k, 0.0) + float(error) ** 2
    return np.sqrt([squared.get(k, 0.0) for k in spectrum.interactions])
