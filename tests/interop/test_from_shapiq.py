"""What shapiq has found, as an explanation; the oracle is shapiq's own exact computer."""

import numpy as np
import pytest

import spex
from spex.errors import ArgumentError
from spex.interop import from_shapiq

shapiq = pytest.importorskip("shapiq")

N = 5
MASKS = (np.arange(1 << N)[:, None] >> np.arange(N) & 1).astype(bool)
GAME = np.random.default_rng(0).normal(size=1 << N) + 3.0


def game(coalitions):
    return GAME[np.asarray(coalitions, dtype=bool) @ (1 << np.arange(N))]


def exact(index, order):
    return shapiq.ExactComputer(game=game, n_players=N)(index=index, order=order)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("index", ["SII", "k-SII", "BII", "STII", "FSII", "FBII", "Moebius"])
def test_the_values_come_back(index, order):
    values = exact(index, order)
    e = from_shapiq(values)
    found = e.interactions(values.index, None if order == 1 else order)
    again = {key: value for key, value in found.items() if key}
    # Of Moebius coefficients shapiq lists those above the order, too.
    wanted = {key: value for key, value in values.dict_values.items() if 0 < len(key) <= order}
    assert {key: again.get(key, 0.0) for key in wanted} == pytest.approx(wanted, abs=1e-9)
    assert {key for key in again if len(key) <= order} <= wanted.keys()
    assert e.spectrum.degree == (N if index == "Moebius" else order)
    if index not in ("FBII", "BII", "SII"):
        assert e.predict(MASKS[:1])[0] == pytest.approx(game(MASKS[:1])[0])
    degree = e.spectrum.degree
    assert from_shapiq(e.to_shapiq(index, degree)).predict(MASKS) == pytest.approx(e.predict(MASKS))


def test_what_fixes_the_whole_game_predicts_it():
    for index in ("Moebius", "FBII", "FSII", "k-SII", "STII", "SII", "BII"):
        assert from_shapiq(exact(index, N)).predict(MASKS) == pytest.approx(GAME, abs=1e-6), index


def test_the_best_fit_of_an_order_is_that_fit():
    """FBII of order 2 is least squares: its predictions are those of a regression on pairs."""
    pairs = np.array([MASKS[:, i] & MASKS[:, j] for i in range(N) for j in range(i)]).T
    design = np.hstack([np.ones((1 << N, 1)), MASKS, pairs])
    fit = design @ np.linalg.lstsq(design, GAME, rcond=None)[0]
    assert from_shapiq(exact("FBII", 2)).predict(MASKS) == pytest.approx(fit)


def test_a_file_and_labels(tmp_path):
    values = shapiq.approximator.RegressionFBII(N, 2, random_state=0).approximate(24, game)
    path = tmp_path / "values.json"
    values.save(path)
    e = from_shapiq(str(path), ["a", "b", "c", "d", "e"])
    assert e.features == ("a", "b", "c", "d", "e") and e.n_evaluations == values.estimation_budget
    assert e.predict(MASKS) == pytest.approx(from_shapiq(values).predict(MASKS))
    assert np.isnan(e.r2) and "FBII up to order 2" in e.notes[0]
    e.save(tmp_path / "e.json")
    loaded = spex.Explanation.load(tmp_path / "e.json")
    assert loaded.interactions("FBII", 2)[0, 1] == pytest.approx(values[0, 1])
    loaded.to_html(tmp_path / "e.html")
    assert "shapiq FBII" in (tmp_path / "e.html").read_text(encoding="utf-8")


def test_refusals(tmp_path, monkeypatch):
    def values(index="FBII", min_order=0, value=1.0, order=2, n=3):
        return shapiq.InteractionValues(
            {(0, 1): value}, index=index, min_order=min_order, max_order=order, n_players=n
        )

    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    for given, message in [
        (values("CHII"), "the index 'CHII' does not determine the function; use one of SV"),
        (values("STII", min_order=2), "begin at order 2"),
        (values(value=float("nan")), "not a finite number"),
        (bad, "bad.json: holds no shapiq.InteractionValues"),
        (tmp_path / "none.json", "none.json: cannot be read: No such file"),
        (3, "values is a int; give"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            from_shapiq(given)
    with pytest.raises(ArgumentError, match="give 3 labels"):
        from_shapiq(values(), ["a"])
    monkeypatch.setattr("spex.interop.shapiq_values._MOST_TERMS", 3)
    with pytest.raises(ArgumentError, match="too many; give those up to a lower order"):
        from_shapiq(values())
