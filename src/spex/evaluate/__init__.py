"""Measuring explanations: how faithful they are, and how other methods do on the same model.

Names load when they are used, as those of `spex` do.
"""

import lazy_loader

# The names are in __init__.pyi, for type checkers and at run time.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
