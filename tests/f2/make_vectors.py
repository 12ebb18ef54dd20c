"""Write the reference codes that `test_bch.py` reads from `vectors/`, as galois has them.

galois compiles for twenty seconds, so this runs by hand: `python tests/f2/make_vectors.py`.
"""

import json
from pathlib import Path

import galois
import numpy as np

from spex.f2.bch import _PRIMITIVE

FOLDER = Path(__file__).parent / "vectors"
CODES = [(7, 1), (15, 3), (63, 4), (63, 7), (255, 5)]
DECODED = (63, 4)


def code(n: int, t: int) -> galois.BCH:
    m = n.bit_length()
    field = galois.GF(2**m, irreducible_poly=_PRIMITIVE[m])
    return galois.BCH(n, d=2 * t + 1, extension_field=field)


def generators() -> list[dict[str, int]]:
    """The generator polynomial of each code, bit i the coefficient of x^i, in hexadecimal."""
    return [{"n": n, "t": t, "generator": hex(int(code(n, t).generator_poly))} for n, t in CODES]


def decoded() -> dict[str, object]:
    """Random patterns of up to t + 2 errors: their positions, and those that galois finds.

    A pattern of more than t errors is either found undecodable (null) or taken for another one.
    """
    n, t = DECODED
    rng = np.random.default_rng(n + t)
    cases = []
    errors = np.zeros((200, n), dtype=int)
    for row in errors:
        row[rng.choice(n, rng.integers(0, t + 3), replace=False)] = 1
    # galois writes words with the highest power first.
    words, found = code(n, t).decode(galois.GF2(errors[:, ::-1]), output="codeword", errors=True)
    for row, word, count in zip(errors, np.asarray(words)[:, ::-1], found, strict=True):
        corrected = None if count < 0 else np.flatnonzero(word != row).tolist()
        assert corrected is None or len(corrected) == count
        cases.append([np.flatnonzero(row).tolist(), corrected])
    return {"n": n, "t": t, "cases": cases}


def write(name: str, content: object) -> None:
    (FOLDER / name).write_text(json.dumps(content, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    write("generators.json", generators())
    write("decoded.json", decoded())
