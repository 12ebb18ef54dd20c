"""A spectrum as a sparse linear program over the features that are removed.

Let x_i = 1 if feature i is removed, and z the parity of x over k. A frequency k contributes F(k)
(-1)^|k| (1 - 2 z) to the value. Frequencies are gathered into groups, each within one set T of
features. A group has one variable for each of the 2^|T| choices of removed members. These variables
sum to 1, and their marginals are the x_i. At whole x one choice has the value 1. At fractional x
exactly the convex combinations of choices are allowed, so the relaxation of each group is the
tightest possible (Sherali and Adams, 1990, for one set). Relaxing each product of the Moebius form
alone is many times looser.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from spex._typing import FloatArray, Interaction
from spex.errors import ArgumentError
from spex.fourier.spectrum import Spectrum
from spex.wording import counted

# A set T has 2^|T| variables; larger frequencies are chained from smaller ones.
_LARGEST_SET, _CHAINED = 6, 4
_MOST_COLUMNS = 1 << 19


@dataclass(frozen=True, eq=False)
class Program:
    """Linear rows that tie the value's parts to the removed features.

    The change by a removal, f(all minus R) - f(all), is `costs` times the variables: first the n
    indicators of removal, then auxiliary ones, all from 0 to 1. For whole indicators the rows leave
    one choice of the others.

    Args:
        n_features: n.
        costs: (v,) float64, in the unit of the value.
        rows: (c, v) sparse.
        low: (c,) float64, bounds of rows @ variables.
        high: (c,) float64.
    """

    n_features: int
    costs: FloatArray
    rows: sparse.csr_array
    low: FloatArray
    high: FloatArray


def program_of(spectrum: Spectrum) -> Program:
    """Write a spectrum as a program.

    Raises:
        ArgumentError: it would have more than 2^19 variables.
    """
    builder = _Builder(spectrum.n_features)
    for interaction, coefficient in sorted(spectrum.items(), key=lambda item: -len(item[0])):
        if interaction and coefficient:
            # (-1)^|k| (1 - 2 z) less its value with nothing removed.
            builder.add(interaction, -2.0 * coefficient * (-1) ** len(interaction))
    return builder.program()


class _Group:
    """A set of variables, and the value of each choice of them."""

    def __init__(self, members: Sequence[int]) -> None:
        self.members = tuple(members)
        self.places = {member: place for place, member in enumerate(self.members)}
        self.choices = np.arange(1 << len(self.members))
        self.values = np.zeros(len(self.choices))
        self.parity_of: int | None = None  # the variable that is the parity of all members

    def add(self, members: Iterable[int], weight: float) -> None:
        self.values += weight * self.parities(members)

    def parities(self, members: Iterable[int]) -> FloatArray:
        bits = sum(1 << self.places[member] for member in members)
        return (np.bitwise_count(self.choices & bits) & 1).astype(np.float64)


class _Builder:
    """Gathers parities into groups, then writes them all."""

    def __init__(self, n_features: int) -> None:
        self._n = n_features
        self._linear: dict[int, float] = {}
        self._groups: list[_Group] = []
        self._having: dict[int, list[_Group]] = {}
        self._chained: dict[tuple[int, ...], int] = {}
        self._n_columns = n_features

    def add(self, interaction: Interaction, weight: float) -> None:
        """Add weight times the parity of the removed members."""
        members = list(interaction)
        while len(members) > _LARGEST_SET:
            members = [*members[_CHAINED:], self._chain(tuple(members[:_CHAINED]))]
        if len(members) == 1:
            self._linear[members[0]] = self._linear.get(members[0], 0.0) + weight
            return
        rarest = min(members, key=lambda member: len(self._having.get(member, ())))
        wanted = set(members)
        for group in self._having.get(rarest, ()):
            if wanted <= group.places.keys():
                break
        else:
            group = self._open(members)
        group.add(members, weight)

    def _open(self, members: Sequence[int]) -> _Group:
        self._n_columns += 1 << len(members)
        if self._n_columns > _MOST_COLUMNS:
            raise ArgumentError(
                f"the spectrum needs a program of more than {_MOST_COLUMNS:,} variables; keep "
                f"its largest coefficients, at most about {counted(10_000, 'interaction')}"
            )
        group = _Group(members)
        self._groups.append(group)
        for member in members:
            self._having.setdefault(member, []).append(group)
        return group

    def _chain(self, members: tuple[int, ...]) -> int:
        """A variable that is the parity of members."""
        if members not in self._chained:
            number = self._n + len(self._chained)
            self._chained[members] = number
            self._n_columns += 1
            self._open(members).parity_of = number
        return self._chained[members]

    def program(self) -> Program:
        """All of it as arrays."""
        offset = self._n + len(self._chained)
        linear = np.zeros(offset)
        linear[list(self._linear)] = list(self._linear.values())
        costs, entries = [linear], _Entries()
        for group in self._groups:
            # With nothing removed in the set, no variable is needed: the others sum to 0.
            columns = offset + np.arange(len(group.choices) - 1)
            offset += len(columns)
            costs.append(group.values[1:])
            entries.add([(columns, 1.0)], -np.inf, 1.0)
            for member in group.members:
                chosen = columns[group.parities([member])[1:] > 0]
                entries.add([(chosen, 1.0), (np.array([member]), -1.0)], 0.0, 0.0)
            if group.parity_of is not None:
                odd = columns[group.parities(group.members)[1:] > 0]
                entries.add([(odd, 1.0), (np.array([group.parity_of]), -1.0)], 0.0, 0.0)
        return Program(self._n, np.concatenate(costs), *entries.arrays(offset))


class _Entries:
    """Rows of a sparse matrix with their bounds."""

    def __init__(self) -> None:
        self._rows: list[np.ndarray] = []
        self._columns: list[np.ndarray] = []
        self._values: list[np.ndarray] = []
        self._bounds: list[tuple[float, float]] = []

    def add(self, terms: Sequence[tuple[np.ndarray, float]], low: float, high: float) -> None:
        for columns, value in terms:
            self._rows.append(np.full(len(columns), len(self._bounds)))
            self._columns.append(columns)
            self._values.append(np.full(len(columns), value))
        self._bounds.append((low, high))

    def arrays(self, n_columns: int) -> tuple[sparse.csr_array, FloatArray, FloatArray]:
        shape = (len(self._bounds), n_columns)
        if not self._bounds:
            return sparse.csr_array(shape), np.zeros(0), np.zeros(0)
        parts = (np.concatenate(each) for each in (self._values, self._rows, self._columns))
        values, rows, columns = parts
        low, high = np.array(self._bounds).T
        return sparse.csr_array((values, (rows, columns)), shape=shape), low, high
