from .approximator import ShapiqApproximator as ShapiqApproximator
from .inspect_log import InspectSample as InspectSample
from .inspect_log import read_inspect_sample as read_inspect_sample
from .shap_values import from_shap as from_shap
from .shapiq_values import from_shapiq as from_shapiq
