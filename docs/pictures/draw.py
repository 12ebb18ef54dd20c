"""Draws the pictures of `how_it_works.md` with the package's own functions.

python docs/pictures/draw.py
"""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import spex
from spex.f2.packing import unpack
from spex.fourier.design import Design, plan_design

HERE = Path(__file__).parent
N, BUDGET, T = 10, 220, 2
COEFFICIENTS = {(6,): 0.9, (8,): -0.6, (0, 9): 1.2, (2, 7): -0.8, (1, 8, 9): 0.7, (7, 8): 0.5}
# Okabe and Ito's colours: told apart by colour-blind readers, on white and when printed.
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"]


def name(members: tuple[int, ...]) -> str:
    """Features as words of a text: a, b, c."""
    return "".join(chr(ord("a") + i) for i in members)


class Example:
    """A sparse function, the coded masks of a design, and the bins of their values."""

    def __init__(self) -> None:
        self.spectrum = spex.Spectrum.from_mapping(COEFFICIENTS, N)
        design = plan_design(N, BUDGET, T, seed=83)
        assert isinstance(design, Design)
        self.design = design
        self.members = self.spectrum.interactions
        self.colour = dict(zip(self.members, COLOURS, strict=True))
        self.numbers = design.bin_numbers(self.spectrum.support)  # (groups, k)

    def bins(self, without: set[tuple[int, ...]] = frozenset()) -> list[np.ndarray]:
        """Bins of each group, with some coefficients subtracted."""
        left = {k: v for k, v in COEFFICIENTS.items() if k not in without}
        rest = spex.Spectrum.from_mapping(left, N)
        return self.design.bins(rest.predict(unpack(self.design.masks, N)))

    def in_bin(self, group: int, number: int) -> list[tuple[int, ...]]:
        """The sets that fall into a bin."""
        return [k for k, j in zip(self.members, self.numbers[group], strict=True) if j == number]


def tidy(axes: Axes) -> None:
    """No frame but the lower line."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)


def draw_aliasing(example: Example) -> Figure:
    """All 2^n coefficients, and the bins of one group that they fall into."""
    figure = Figure(figsize=(8, 2.7), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    for k, value in COEFFICIENTS.items():
        place = sum(1 << i for i in k)
        left.plot([place, place], [0, value], color=example.colour[k], linewidth=3)
        left.annotate(name(k), (place, value), ha="center", va="bottom" if value > 0 else "top")
    left.axhline(0, color="black", linewidth=0.8)
    left.set(title=f"spectrum: 2^{N} = {1 << N:,} coefficients, 6 of them not 0", ylim=(-1.2, 1.6))
    left.set(xlabel="number of the set", yticks=[], xlim=(-20, 1 << N))
    bins = example.bins()[0][:, 0]
    for j, total in enumerate(bins):
        inside = example.in_bin(0, j)
        colour = example.colour[inside[0]] if len(inside) == 1 else "#777777"
        right.bar(j, total, color=colour, width=0.6)
        label = "\n+ ".join(map(name, inside))
        right.annotate(label, (j, max(total, 0.0)), ha="center", va="bottom")
    right.axhline(0, color="black", linewidth=0.8)
    right.set(title=f"group 1: {len(bins)} bins from {len(bins)} masks", ylim=(-1.2, 2.7))
    right.set(xlabel="bin", xticks=range(len(bins)), yticks=[])
    tidy(left)
    tidy(right)
    return figure


def draw_bins(example: Example) -> Figure:
    """One group's bins at every offset: the signs of a bin with one coefficient spell its set."""
    bins = example.bins()[0]
    figure = Figure(figsize=(8, 3.1), layout="constrained")
    axes = figure.subplots()
    limit = np.abs(bins).max()
    axes.imshow(bins, cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
    for j, row in enumerate(bins):
        for i, value in enumerate(row):
            if abs(value) > 1e-9:
                ink = "white" if abs(value) > 0.6 * limit else "black"
                axes.text(i, j, f"{value:+.1f}", ha="center", va="center", fontsize=9, color=ink)
        inside = example.in_bin(0, j)
        kind = ["zeroton: nothing", "singleton: ", "multiton: "][min(len(inside), 2)]
        text = kind + " + ".join(map(name, inside))
        axes.text(bins.shape[1] - 0.3, j, text, va="center", fontsize=9.5)
    axes.set(xticks=range(bins.shape[1]), yticks=range(len(bins)), ylabel="bin of group 1")
    axes.set_xticklabels(["none"] + [str(i) for i in range(1, bins.shape[1])])
    axes.set_xlabel("offset")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


def draw_peeling(example: Example) -> Figure:
    """The energy of all bins, while coefficients are read and subtracted."""
    rounds, known = [], set()
    while True:
        rounds.append((example.bins(known), set(known)))
        left = [k for k in example.members if k not in known]
        alone = {
            k
            for k in left
            for group in range(example.design.n_groups)
            for j in example.numbers[group][[example.members.index(k)]]
            if [m for m in example.in_bin(group, j) if m not in known] == [k]
        }
        if not alone:
            break
        known |= alone
    assert known == set(example.members), "message passing got stuck; choose another seed"
    del rounds[-1]  # nothing is left
    figure = Figure(figsize=(8, 0.4 + 1.15 * len(rounds)), layout="constrained")
    panels = figure.subplots(len(rounds))
    for row, (axes, (bins, seen)) in enumerate(zip(panels, rounds, strict=True)):
        place = 0.0
        for group, of_group in enumerate(bins):
            for j, energy in enumerate((of_group**2).mean(axis=1)):
                inside = [k for k in example.in_bin(group, j) if k not in seen]
                colour = example.colour[inside[0]] if len(inside) == 1 else "#777777"
                axes.bar(place, energy, color=colour, width=0.8)
                if inside:
                    label = "\n+".join(map(name, inside))
                    axes.annotate(label, (place, energy), ha="center", va="bottom", fontsize=9)
                place += 1
            place += 1.5
        axes.set(ylim=(0, 5.5), yticks=[], xticks=[], xlim=(-1, place - 1.5))
        new = sorted(seen - (rounds[row - 1][1] if row else set()), key=example.members.index)
        said = "before" if not row else "after reading " + ", ".join(map(name, new))
        axes.set_title(said, loc="left", fontsize=10)
        tidy(axes)
    return figure


DRAWINGS = {"aliasing": draw_aliasing, "bins": draw_bins, "peeling": draw_peeling}


def main(folder: Path = HERE) -> None:
    """Draw all pictures into a folder."""
    settings = {"svg.hashsalt": "spex", "font.size": 10, "axes.titlesize": 10}
    with matplotlib.rc_context(settings):
        for title, draw in DRAWINGS.items():
            figure = draw(Example())
            figure.savefig(folder / f"{title}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
