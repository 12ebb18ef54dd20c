"""An explanation as `shap.Explanation`."""

from typing import TYPE_CHECKING

import numpy as np

from spex.extras import require
from spex.inputs.parts import Part, TextPart
from spex.wording import distinct

if TYPE_CHECKING:
    import shap

    from spex.explanation import Explanation


def shap_explanation(explanation: "Explanation") -> "shap.Explanation":
    """See `Explanation.to_shap`."""
    shap = require("shap", "shap")
    n = explanation.n_features
    shapley = explanation.interactions("SV")
    parts = explanation.context.parts
    texts = None if parts is None else _texts(parts, n)
    names = list(distinct(explanation.features))
    data = None
    if texts is not None:
        data = np.array([text + after for text, after in texts])
        # shap writes "data = name", where "never = word 3" says more than "never = never".
        unit = explanation.context.unit
        kind = unit if unit is not None and unit.isalpha() else "part"
        for number, (text, _) in enumerate(texts):
            if explanation.features[number].strip() == text.strip():
                names[number] = f"{kind} {number + 1}"
    return shap.Explanation(
        values=np.array([shapley.get((feature,), 0.0) for feature in range(n)]),
        base_values=shapley.baseline,
        data=data,
        feature_names=names,
    )


def _texts(parts: tuple[Part, ...], n: int) -> list[tuple[str, str]] | None:
    """The text of each feature and what stands after it; None if a part is a picture.

    shap's text plot joins them, and knows no text that is no feature: a pinned stretch is an
    ellipsis.
    """
    texts, after = [""] * n, [""] * n
    for part in parts:
        if not isinstance(part, TextPart):
            return None
        last = None
        for string, number in part.pieces:
            if number is not None:
                texts[number] += string
                last = number
            elif last is not None:
                after[last] += string if not string.strip() else " … "
        if last is not None and part is not parts[-1]:
            after[last] += "\n"
    return list(zip(texts, after, strict=True))
