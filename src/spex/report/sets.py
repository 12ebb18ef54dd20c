"""Smallest sets and roles in words: what the terminal and the page show of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from spex.report import facts
from spex.sets.results import CHANGE, Sets, Smallest
from spex.sets.roles import HARMFUL, NEEDED, REDUNDANT, Role, Roles
from spex.wording import counted, isolated, one_line, short

_MOST_UNITS = 60
_SHOWN_ROLES = (NEEDED, REDUNDANT, HARMFUL)


@dataclass(frozen=True)
class SetRow:
    """A smallest set in words.

    Args:
        title: What the set does, and the threshold.
        members: Its feature numbers.
        labels: Their labels, at most 60 of them.
        n_hidden: How many labels are left out.
        says: What was found and how certain it is.
    """

    title: str
    members: tuple[int, ...]
    labels: tuple[str, ...]
    n_hidden: int
    says: str


@dataclass(frozen=True)
class RoleRow:
    """A unit and its role in words.

    Args:
        role: The role.
        feature: Its number.
        label: Its label.
        change: What removing it alone changes.
        partners: The labels of those that stand in for it, joined.
    """

    role: str
    feature: int
    label: str
    change: str
    partners: str


def set_rows(sets: Sets, labels: Sequence[str]) -> tuple[SetRow, ...]:
    """The sets found."""
    return tuple(_row(one, labels) for one in (sets.change, sets.sufficient) if one is not None)


def _row(one: Smallest, labels: Sequence[str]) -> SetRow:
    what = "Smallest set whose removal changes" if one.kind == CHANGE else "Smallest set that keeps"
    shown = one.features[:_MOST_UNITS]
    return SetRow(
        title=f"{what} the answer: value {one_line(one.wanted)} ({isolated(one_line(one.origin))})",
        members=one.features,
        labels=tuple(labels[i] for i in shown),
        n_hidden=len(one.features) - len(shown),
        says=one.says,
    )


def role_rows(roles: Roles, labels: Sequence[str]) -> tuple[RoleRow, ...]:
    """The units that are needed, redundant or harmful, the largest changes first."""
    rows = []
    for role in _SHOWN_ROLES:
        units = sorted(roles[role], key=lambda unit: -_size(unit))
        rows += [
            RoleRow(
                role,
                unit.feature,
                labels[unit.feature],
                facts.signed(unit.change, abs(roles.start)),
                ", ".join(isolated(labels[i]) for i in unit.partners[: facts.LISTED])
                + (", ..." if len(unit.partners) > facts.LISTED else ""),
            )
            for unit in units
        ]
    return tuple(rows)


def _size(unit: Role) -> float:
    return abs(unit.change if unit.pair_change is None else unit.pair_change)


def roles_say(roles: Roles) -> str:
    """The meaning of the roles here, in a few sentences."""
    n_unused = len(roles["unused"])
    told = (
        f"A unit counts where it moves the value by {roles.threshold:.4g} or more "
        f"({isolated(one_line(roles.origin))}). "
        f"Each unit was removed alone, and {counted(len(roles.pairs), 'pair')} that the surrogate "
        f"proposed; the model was asked {counted(roles.n_calls, 'time')}. "
        f"{counted(n_unused, 'unit')} did neither."
    )
    return told if roles.is_complete else f"{told} Some proposed pairs were not: calls ended first."


def view(sets: Sets, labels: Sequence[str]) -> RenderableType:
    """Three short tables for a terminal."""
    return Group(*_parts(sets, [short(label) for label in labels]))


def _parts(sets: Sets, labels: Sequence[str]) -> Iterator[RenderableType]:
    for row in set_rows(sets, labels):
        yield Text(row.title, style="bold")
        table = _table("", "unit")
        for number, label in zip(row.members, row.labels, strict=False):
            table.add_row(Text(str(number + 1), style="dim"), Text(label))
        if row.n_hidden:
            table.add_row("", Text(f"and {row.n_hidden:,} more", style="dim"))
        if not row.members:
            table.add_row("", Text("(none)", style="dim"))
        yield table
        yield Text(row.says)
        yield Text()
    if sets.roles is not None:
        yield Text("Roles", style="bold")
        table = _table("role", "change", "unit", "stands in")
        for role in role_rows(sets.roles, labels):
            cells = (role.role, role.change, role.label, role.partners)
            table.add_row(*map(Text, cells))
        if table.row_count:
            yield table
        yield Text(roles_say(sets.roles))


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        table.add_column(name, justify="right" if name in ("", "change") else "left")
    return table
