import io
import sys

import pytest

from spex.errors import ArgumentError, MissingExtraError
from spex.plots import bar


def drawn(explanation, *arguments, **options):
    return bar(explanation, *arguments, **options).figure


def labels(figure):
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_bars_are_the_largest_values(review):
    figure = drawn(review, "Fourier", k=3)
    assert labels(figure) == ["never + fails", "never", "fails"]
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.36, -0.19, 0.15]
    assert figure.axes[0].yaxis_inverted()
    assert "Fourier up to order 3 (nats)" in figure.axes[0].get_xlabel()


def test_saves_without_pyplot(review):
    # That a figure needs none is only seen in a process that has none.
    import subprocess

    code = (
        "import io, sys\n"
        "from spex.explanation import Explanation\n"
        "from spex.fourier.spectrum import Spectrum\n"
        "s = Spectrum.from_mapping({(0,): 1.0, (0, 1): -1.0}, 2)\n"
        "e = Explanation(('a', 'b'), s, 1.0, (1.0, 1.0), 4, 'exact', 4, 0)\n"
        "out = io.BytesIO(); e.plot().savefig(out, format='png')\n"
        "assert out.getvalue().startswith(b'\\x89PNG')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_dollar_signs_are_no_formula(make):
    figure = drawn(make({(0,): 1.0}, [r"$\frac{1$", "b"]))
    figure.savefig(io.BytesIO(), format="png")
    assert labels(figure) == [r"$\frac{1$"]


def test_constant_and_long_labels(make):
    drawn(make({(): 1.0}, ["a", "b"])).savefig(io.BytesIO(), format="png")
    wide = make({tuple(range(8)): 1.0}, ["a long label indeed " * 9] * 8)
    figure = drawn(wide, "Fourier")
    assert len(labels(figure)[0]) <= 60


def test_wrong_calls(review):
    with pytest.raises(ArgumentError, match="k=0"):
        drawn(review, k=0)
    with pytest.raises(ArgumentError, match="index"):
        drawn(review, "nonsense")


def test_missing_extra_is_named(review, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'spex-explain\[plot\]'"):
        drawn(review)
