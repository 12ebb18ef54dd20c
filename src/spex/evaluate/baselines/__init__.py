"""Methods of other packages, one module for each. All ask one counted value function."""

from spex.evaluate.baselines import contextcite, leave_one_out, lime, regression, shap, shapiq
from spex.evaluate.baselines.baseline import Baseline

BASELINES: tuple[Baseline, ...] = (
    *lime.METHODS,
    *shap.METHODS,
    *shapiq.METHODS,
    *contextcite.METHODS,
    *regression.METHODS,
    *leave_one_out.METHODS,
)
