"""With the packages `shapiq`, `shap` and `inspect_ai`.

With shapiq and shap: their result types, and spex as an approximator of shapiq. Of inspect_ai:
samples of its logs.

`Explanation.to_shapiq` and `Explanation.to_shap` give what the plots of those packages take;
`from_shapiq` and `from_shap` make an explanation of what those packages have found.
`ShapiqApproximator` is spex where shapiq asks for an approximator. The other way, `spex.explain`
takes a `shapiq.Game` as it is.
Neither package is needed until one of these is used.
"""

import lazy_loader

# The names are in __init__.pyi, for type checkers and at run time.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
