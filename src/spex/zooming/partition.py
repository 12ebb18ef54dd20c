"""Nested units of a long input, and parts of it at several levels. Pure arrays.

The finest units stand in a row, 0 to N - 1. A part is a run of them, (start, stop). A partition is
parts that cover all units; opening a part puts its own parts in its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from spex._typing import FloatArray, IntArray
from spex.fourier.spectrum import Spectrum

Part: TypeAlias = tuple[int, int]

# A part is opened if one of its coefficients exceeds this many standard errors. Of some 50 parts
# without an effect, each with a handful of coefficients, one exceeds it by chance in every few
# rounds.
_STANDARD_ERRORS = 3.0
# It must also take part in this share of the surrogate's variance: less is not worth the calls.
_LEAST_SHARE = 0.01
# A part is cut into at least this many, if it has as many units.
_LEAST_PARTS = 4


@dataclass(frozen=True, eq=False)
class Levels:
    """Nested units.

    Args:
        n_units: N, the number of the finest units.
        names: Names of the levels, from the coarsest to the finest units.
        starts: For each level but the finest the first unit of each of its units, ascending; those
            of a level are among those of the next.
    """

    n_units: int
    names: tuple[str, ...]
    starts: tuple[IntArray, ...]

    @cached_property
    def _edges(self) -> list[IntArray]:
        return [*self.starts, np.arange(self.n_units)]

    def inside(self, part: Part, level: int) -> IntArray:
        """The first units of the units of a level that begin in a part."""
        edges = self._edges[level]
        first, last = np.searchsorted(edges, part)
        return edges[first:last]

    def parts(self, part: Part, most: int) -> list[Part]:
        """The units of the next level in a part of two units or more.

        Where these are more than `most`, even runs of them, so that as few rounds as possible lead
        to single ones.
        """
        # A part is units of one level: of a coarser one, at most one begins in it, where it does.
        levels = (self.inside(part, level) for level in range(len(self._edges)))
        edges = next(inside for inside in levels if len(inside) > 1)
        if len(edges) > most:
            rounds = next(r for r in range(1, 64) if most**r >= len(edges))
            runs = int(np.ceil(len(edges) ** (1 / rounds)))
            edges = edges[np.arange(runs) * len(edges) // runs]
        return list(zip(edges.tolist(), [*edges[1:].tolist(), part[1]], strict=True))

    def opened(self, part: Part, room: int) -> list[Part]:
        """The parts of a part, and of the largest of these, while all fit into the room.

        Single units of the finest level come from the part itself only.
        """
        parts = self.parts(part, max(room, 2))
        while True:
            size, place = max((stop - start, -i) for i, (start, stop) in enumerate(parts))
            if size < 2:
                return parts
            finer = self.parts(parts[-place], self.n_units)
            if len(parts) - 1 + len(finer) > room or len(finer) == size:
                return parts
            parts[-place : 1 - place] = finer

    def kind(self, part: Part) -> tuple[int, int]:
        """The coarsest level of which a part is whole units, and how many of these it is."""
        for level in range(len(self._edges)):
            count = len(inside := self.inside(part, level))
            ends = self.inside((part[1], part[1] + 1), level)
            if count and inside[0] == part[0] and (len(ends) or part[1] == self.n_units):
                return level, count
        raise AssertionError("the finest units are whole")

    def n_rounds(self, room: int) -> int:
        """Rounds from the whole to single units, in the largest parts, with half of the room."""
        part, rounds = (0, self.n_units), 0
        while part[1] - part[0] > 1:
            parts = self.opened(part, max(room if not rounds else room // 2, 2))
            part = max(parts, key=lambda each: each[1] - each[0])
            rounds += 1
        return rounds


def worth_opening(spectrum: Spectrum, noise: float, can_open: Sequence[bool]) -> list[int]:
    """The parts to open, the most important first.

    A part matters alone or with others: what counts is the variance of all coefficients that it is
    in.

    Args:
        spectrum: Over n parts.
        noise: Standard error of a coefficient.
        can_open: (n,) whether a part has parts.
    """
    takes_part = np.zeros(spectrum.n_features)
    largest: FloatArray = np.zeros(spectrum.n_features)
    for members, value in spectrum.items():
        places = list(members)
        takes_part[places] += value * value
        largest[places] = np.maximum(largest[places], abs(value))
    total = sum(value * value for members, value in spectrum.items() if members)
    is_worth = (largest > _STANDARD_ERRORS * noise) & (takes_part >= _LEAST_SHARE * total)
    ranked = np.argsort(-takes_part, kind="stable")
    return [int(place) for place in ranked if is_worth[place] and can_open[place]]


def refined(
    levels: Levels, parts: Sequence[Part], chosen: Sequence[int], room: int
) -> tuple[list[Part], IntArray]:
    """Open the chosen parts, the first ones first, while there is room.

    Args:
        levels: The units.
        parts: n parts that cover them.
        chosen: Places of parts to open.
        room: The most parts more.

    Returns:
        The new parts, and (m,) the place of the old part that each new one lies in.
    """
    chosen = chosen[: max(1, room // _LEAST_PARTS)]
    new: dict[int, list[Part]] = {}
    for number, place in enumerate(chosen):
        share = room // (len(chosen) - number)
        new[place] = levels.opened(parts[place], max(share + 1, 2))
        room -= len(new[place]) - 1
    found = [new.get(place, [part]) for place, part in enumerate(parts)]
    inside = np.repeat(np.arange(len(parts)), [len(each) for each in found])
    return [part for each in found for part in each], inside
