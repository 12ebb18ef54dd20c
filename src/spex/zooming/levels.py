"""The levels of an input: which coarser units its masker knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spex._typing import IntArray
from spex.errors import ArgumentError
from spex.inputs.segmentation import REGEX_PREFIX
from spex.wording import counted

AUTO = "auto"
# Inside of a text, from coarse to fine.
_IN_TEXTS = ("section", "paragraph", "sentence")


@dataclass(frozen=True, eq=False)
class Coarser:
    """A level above the finest one.

    Args:
        name: Such as "paragraph".
        numbers: (N,) int64, the number of its unit of each of the finest units.
        labels: Labels of its units.
    """

    name: str
    numbers: IntArray
    labels: tuple[str, ...]

    @property
    def n_units(self) -> int:
        """The number of its units."""
        return len(np.unique(self.numbers))


def has_several_levels(groups: Any) -> bool:
    """Whether `groups` of `spex.zoom` asks for any number of levels, not for one coarser unit."""
    if isinstance(groups, str):
        return groups == AUTO
    if not isinstance(groups, Sequence | np.ndarray):
        return False
    return any(isinstance(each, str | Sequence | np.ndarray) for each in groups)


def parse_levels(text: str) -> str | list[str]:
    """The levels in a text: one coarser unit, "auto", or several units separated by commas."""
    if text.startswith(REGEX_PREFIX) or "," not in text:
        return text
    return [name.strip() for name in text.split(",")]


def counted_levels(groups: str | list[str], masker: Any) -> str:
    """How many coarser units there are on each level, such as "3 sections, 40 paragraphs"."""
    if has_several_levels(groups):
        found = coarser_levels(groups, masker.n_features, masker)
    else:
        found = [_level(groups, 0, masker)]
    return ", ".join(counted(level.n_units, level.name) for level in found) or "one piece"


def coarser_levels(given: Any, n_units: int, masker: Any) -> list[Coarser]:
    """The levels above the finest one, the coarsest first; those that group nothing are left out.

    Args:
        given: "auto" for all that the text itself has, which may be none; names of units that the
            masker knows; or for each level (N,) numbers of units.
        n_units: N.
        masker: Masker of the finest units; None if there is none.

    Raises:
        ArgumentError: a name is unknown, or names give no level.
    """
    if isinstance(given, str):
        if given != AUTO:
            raise ArgumentError(f"levels={given!r}; give {AUTO!r}, or a list of units")
        found = [level for name in _known(masker) if (level := _tried(name, masker)) is not None]
    else:
        found = [_level(each, number, masker) for number, each in enumerate(given)]
    levels: list[Coarser] = []
    for level in found:
        level = _inside(level, levels[-1] if levels else None, n_units)
        before = levels[-1].n_units if levels else 1
        if before < level.n_units < n_units:
            levels.append(level)
    if not levels and given != AUTO:
        raise ArgumentError(
            "no level of coarser units: the features lie in none, or each in one of its own; use "
            "explain, or name units such as 'paragraph' and 'sentence'"
        )
    return levels


def _inside(level: Coarser, outer: Coarser | None, n_units: int) -> Coarser:
    """The level, its units cut where those of the level above end, and numbered in their order."""
    if level.numbers.shape != (n_units,) or level.numbers.dtype.kind not in "iu":
        raise ArgumentError(
            f"{level.name!r} has shape {level.numbers.shape} and type {level.numbers.dtype}; give "
            f"a whole number for each of {n_units} features"
        )
    begins = np.diff(level.numbers, prepend=level.numbers[:1] - 1) != 0
    if begins.sum() != level.n_units:
        raise ArgumentError(f"{level.name!r}: a unit is not a run of features; sort the features")
    if outer is not None:
        begins |= np.diff(outer.numbers, prepend=outer.numbers[:1]) != 0
    labels = tuple(level.labels[number] for number in level.numbers[begins]) if level.labels else ()
    return Coarser(level.name, np.cumsum(begins) - 1, labels)


def _known(masker: Any) -> Sequence[str]:
    """The names of units that a masker may have above its own."""
    if not callable(getattr(masker, "groups", None)):  # in a table they are columns
        raise ArgumentError(
            "levels='auto': f has no masker that knows coarser units; give for each level the "
            "number of the unit of each feature"
        )
    whole = getattr(masker, "whole_unit", None)
    kind, _, language = masker.unit_name.partition(":")
    names = [name for name in (whole, *_IN_TEXTS) if name is not None]
    if kind == "word" and language:
        names[-1] = f"sentence:{language}"
    return names


def _tried(name: str, masker: Any) -> Coarser | None:
    try:
        return _level(name, 0, masker)
    except ArgumentError:  # its units are not within such units
        return None


def _level(given: Any, number: int, masker: Any) -> Coarser:
    if isinstance(given, str) and given in ("", AUTO):
        raise ArgumentError(
            f"level {given!r} among others; give {AUTO!r} alone, or units such as 'section' and "
            "'paragraph', the coarsest first"
        )
    if not isinstance(given, str):
        return Coarser(f"level {number}", np.asarray(given), ())
    groups = getattr(masker, "groups", None)
    if not callable(groups):
        raise ArgumentError(
            f"level {given!r}: f has no masker that knows coarser units; give the number of the "
            "unit of each feature"
        )
    numbers, labels = groups(given)
    return Coarser(given.partition(":")[0], np.asarray(numbers, dtype=np.int64), tuple(labels))
