"""Explanation.to_frame: the spectrum as a table."""

from dataclasses import replace

import numpy as np
import pytest

import spex


@pytest.fixture(scope="module")
def explanation():
    def value(masks):
        noise = np.random.default_rng(0).normal(size=len(masks))
        return 4.0 * masks[:, 0] * masks[:, 1] - masks[:, 2] + 0.1 * noise

    return spex.explain(value, [f"f{i}" for i in range(20)], budget=300, method="spex")


def test_the_frame_is_the_spectrum(explanation):
    frame = explanation.to_frame()
    assert list(frame) == ["interaction", "features", "order", "coefficient", "standard_error"]
    found = dict(zip(frame["interaction"], frame["coefficient"], strict=True))
    assert found == dict(explanation.spectrum.items())
    errors = dict(
        zip(explanation.spectrum.interactions, explanation.standard_errors.tolist(), strict=True)
    )
    assert dict(zip(frame["interaction"], frame["standard_error"], strict=True)) == errors
    assert (np.diff(frame["coefficient"].abs()) <= 0).all()
    row = frame.set_index("interaction").loc[[(0, 1)]].iloc[0]
    assert row["features"] == ("f0", "f1") and row["order"] == 2
    assert row["coefficient"] == pytest.approx(1.0, abs=0.05)
    assert 0 < row["standard_error"] < 0.05


def test_standard_errors_that_are_not_known(explanation):
    frame = replace(explanation, standard_errors=None).to_frame()
    assert frame["standard_error"].isna().all() and len(frame) == len(explanation.spectrum)
