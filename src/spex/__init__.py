"""spex: which parts of a prompt made a language model answer so, and which only together.

Names load when they are used, so that `import spex` stays fast.
"""

import lazy_loader

# The names are in __init__.pyi, for type checkers and at run time.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
