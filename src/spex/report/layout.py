"""Where the words of a wrapped text and the brackets above them go: pure geometry, in points.

A bracket joins the units of one combination. On each line with such units it has a rail above the
words, and a drop to each of them. Rails of one line lie on levels, so that none overlap; the
narrowest lie lowest. The rails of a combination on several lines meet in a trunk in the right
margin. Each trunk has its own lane. A unit that ends its line, such as a passage, is joined to the
trunk from its end, without a rail above it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spex.inputs.parts import Piece

LEVEL = 19.0  # from one level to the next: a line, and its label above it
GAP = 7.0  # from the words to the lowest line
LANE = 15.0
MARGIN = 14.0  # from the words to the first lane
_APART = 7.0  # between two rails on one level
_DROPS_APART = 6.0
_STEP = 3.0  # between two places tried for a label


@dataclass(frozen=True)
class Word:
    """A run of characters without a space.

    Args:
        text: The characters.
        feature: The number of its unit; None if it is pinned.
        line: The line it is on.
        left: Where it begins.
        width: How much it takes.
        is_heading: Whether it belongs to a heading.
    """

    text: str
    feature: int | None
    line: int
    left: float
    width: float
    is_heading: bool = False

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.left + self.width


@dataclass
class Rail:
    """The part of a bracket that is on one line.

    Args:
        bracket: The number of its combination.
        line: The line.
        drops: Where it goes down to a unit, in order.
        lane: Where the trunk is; None if all units are on this line.
        label: Width of the label on it; 0 for none.
        side: Which of the joints at the end of its line it is, from the top; None for a rail above
            the words.
        level: Level of a rail above the words; the lowest is 0.
        label_at: Where the middle of the label is.
    """

    bracket: int
    line: int
    drops: list[float]
    lane: float | None
    label: float
    side: int | None = None
    level: int = 0
    label_at: float = 0.0

    @property
    def ends(self) -> tuple[float, float]:
        """Where the line itself begins and ends."""
        return self.drops[0], self.drops[-1] if self.lane is None else self.lane

    @property
    def taken(self) -> tuple[float, float]:
        """The space that it keeps free of other rails on its level, including its label."""
        left, right = self.ends
        spare = max(self.label - (right - left), 0.0) / 2
        return left - spare, right + spare


def wrap(
    paragraphs: Sequence[tuple[Sequence[Piece], bool]],
    width: float,
    measure: Callable[[str, bool], float],
) -> list[Word]:
    """Break texts into lines.

    Args:
        paragraphs: (pieces, whether it is a heading); each begins on a new line.
        width: The most points of a line.
        measure: From a text and whether it is a heading to its width.
    """
    words: list[Word] = []
    line, left = 0, 0.0
    space = measure("a a", False) - measure("aa", False)
    for number, (pieces, is_heading) in enumerate(paragraphs):
        if number:
            line, left = line + 1, 0.0
        for string, feature in pieces:
            for row, text in enumerate(string.split("\n")):
                if row:
                    line, left = line + 1, 0.0
                for count, run in enumerate(text.split(" ")):
                    if count and left:
                        left += space
                    for part in _fitting(run, width, lambda s, h=is_heading: measure(s, h)):  # type: ignore[misc]
                        taken = measure(part, is_heading)
                        if left and left + taken > width:
                            line, left = line + 1, 0.0
                        words.append(Word(part, feature, line, left, taken, is_heading))
                        left += taken
    return _without_blank_lines(words)


def _fitting(run: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """A run in parts that are no wider than a line."""
    parts = []
    while run and measure(run) > width:
        count = max(int(len(run) * width / measure(run)) - 1, 1)
        parts.append(run[:count])
        run = run[count:]
    return [*parts, run] if run else parts


def _without_blank_lines(words: Sequence[Word]) -> list[Word]:
    numbers = {line: number for number, line in enumerate(sorted({word.line for word in words}))}
    return [Word(w.text, w.feature, numbers[w.line], w.left, w.width, w.is_heading) for w in words]


def laid_out(
    paragraphs: Sequence[tuple[Sequence[Piece], bool]],
    combinations: Sequence[Sequence[int]],
    label_widths: Sequence[float],
    width: float,
    measure: Callable[[str, bool], float],
) -> tuple[list[Word], list[Rail]]:
    """Words and rails within a width, trunks included; see `wrap` and `rails`."""
    words = wrap(paragraphs, width, measure)
    found = rails(words, combinations, label_widths, width)
    if lanes := len({rail.lane for rail in found if rail.lane is not None}):
        # Trunks need room only if there are any. Then lay out again with shorter lines.
        inner = width - LANE * (lanes + 1) - MARGIN
        words = wrap(paragraphs, inner, measure)
        found = rails(words, combinations, label_widths, inner)
    return words, found


def line_tops(
    words: Sequence[Word], found: Sequence[Rail], height: float
) -> tuple[list[float], float]:
    """The top of each line's words, below its rails, and the height of all.

    Args:
        words: The words.
        found: Their rails.
        height: From the top of a line's words to what follows.
    """
    levels = [0] * (max((word.line for word in words), default=0) + 1)
    for rail in found:
        if rail.side is None:
            levels[rail.line] = max(levels[rail.line], rail.level + 1)
    tops, y = [], 0.0
    for number in levels:
        y += number * LEVEL + (GAP if number else 0)
        tops.append(y)
        y += height
    return tops, y


def spans(words: Sequence[Word]) -> list[Word]:
    """Neighbouring words of one unit on one line as one, without their text."""
    found: list[Word] = []
    for word in words:
        if word.feature is None:
            continue
        last = found[-1] if found else None
        if last is not None and (last.feature, last.line) == (word.feature, word.line):
            found[-1] = Word("", word.feature, word.line, last.left, word.right - last.left)
        else:
            found.append(Word("", word.feature, word.line, word.left, word.width))
    return found


def rails(
    words: Sequence[Word],
    combinations: Sequence[Sequence[int]],
    label_widths: Sequence[float],
    width: float,
) -> list[Rail]:
    """The brackets of combinations of units.

    Args:
        words: The wrapped text.
        combinations: The units of each; units that are not in the text are left out.
        label_widths: Width of each combination's label.
        width: Width of a line.
    """
    places: dict[int, Word] = {}
    for span in spans(words):
        assert span.feature is not None
        places.setdefault(span.feature, span)
    line_ends = {word.line: word.right for word in words}
    at = _drops(combinations, places)
    lanes = _lanes(combinations, places)
    found = []
    n_joints: Counter[int] = Counter()
    for number, members in enumerate(combinations):
        present = [member for member in members if member in places]
        lines = sorted({places[member].line for member in present})
        for line in lines:
            here = [member for member in present if places[member].line == line]
            label = label_widths[number] if line == lines[0] else 0.0
            if len(lines) < 2:
                found.append(Rail(number, line, sorted(at[number, m] for m in here), None, label))
                continue
            lane = width + MARGIN + LANE * lanes[number]
            if len(here) == 1 and (end := places[here[0]].right) == line_ends[line]:
                found.append(Rail(number, line, [end + 2], lane, label, n_joints[line]))
                n_joints[line] += 1
            else:
                found.append(Rail(number, line, sorted(at[number, m] for m in here), lane, label))
    above = [rail for rail in found if rail.side is None]
    _set_levels(above)
    _set_labels(above)
    return found


def _drops(
    combinations: Sequence[Sequence[int]], places: dict[int, Word]
) -> dict[tuple[int, int], float]:
    """The points at which a combination's bracket meets its units, next to other brackets."""
    of_unit: dict[int, list[int]] = {}
    for number, members in enumerate(combinations):
        for member in members:
            if member in places:
                of_unit.setdefault(member, []).append(number)
    found = {}
    for member, numbers in of_unit.items():
        place = places[member]
        apart = min(_DROPS_APART, place.width / (len(numbers) + 1))
        # The line meets a long unit near its beginning, which is read first.
        middle = place.left + min(place.width / 2, 40.0)

        def leaning(
            number: int, member: int = member, middle: float = middle
        ) -> tuple[bool, float]:
            # Rails that go to the left leave on the left. On each side, the rail that goes farthest
            # is the highest. It leaves nearest to the other side, past the lower ones.
            others = [places[m] for m in combinations[number] if m in places and m != member]
            x = [o.left if o.line == places[member].line else 1e6 for o in others]
            mean = sum(x) / len(x) if x else middle
            return mean > middle, -mean

        for rank, number in enumerate(sorted(numbers, key=leaning)):
            found[number, member] = middle + (rank - (len(numbers) - 1) / 2) * apart
    return found


def _lanes(combinations: Sequence[Sequence[int]], places: dict[int, Word]) -> dict[int, int]:
    taken: list[list[tuple[int, int]]] = []
    found = {}
    stretches = []
    for number, members in enumerate(combinations):
        lines = [places[member].line for member in members if member in places]
        if lines and min(lines) < max(lines):
            stretches.append((max(lines) - min(lines), number, (min(lines), max(lines))))
    for _, number, (first, last) in sorted(stretches):
        lane = next(
            (i for i, used in enumerate(taken) if all(last < a or b < first for a, b in used)),
            len(taken),
        )
        if lane == len(taken):
            taken.append([])
        taken[lane].append((first, last))
        found[number] = lane
    return found


def _set_levels(found: Sequence[Rail]) -> None:
    taken: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for rail in sorted(found, key=lambda r: (r.lane is not None, r.taken[1] - r.taken[0])):
        left, right = rail.taken
        while any(
            left < b + _APART and a < right + _APART
            for a, b in taken.get((rail.line, rail.level), ())
        ):
            rail.level += 1
        taken.setdefault((rail.line, rail.level), []).append((left, right))


def _set_labels(found: Sequence[Rail]) -> None:
    """Put each label on its rail, where no drop of a higher one passes if there is such a place."""
    for rail in found:
        left, right = rail.taken
        # Trunks pass through the margin.
        right = min(right, rail.drops[-1] + rail.label + 12.0) if rail.lane else right
        half, middle = rail.label / 2, (left + right) / 2
        passing = [
            x
            for other in found
            if other.line == rail.line and other.level > rail.level
            for x in other.drops
        ]
        count = int(max(right - left - rail.label, 0.0) / 2 / _STEP)
        places = [middle + sign * _STEP * i for i in range(count + 1) for sign in (1, -1)]
        free = (p for p in places if all(abs(x - p) > half + 1.5 for x in passing))
        rail.label_at = next(free, middle)
