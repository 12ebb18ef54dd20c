"""Every error that spex raises on purpose, split by whose fault it is.

`ArgumentError` and its kin mean that the call was wrong: the message says what was given, the
limit and the remedy. `BackendError` and `StoreError` mean that the outside world (a model, a
server, a file) misbehaved. Any other exception is a bug in spex or in the function explained.
"""


class SpexError(Exception):
    """Base of every error that spex raises on purpose."""


class ArgumentError(SpexError, ValueError):
    """An argument is wrong; the message says which, the limit and the remedy."""


class ValueFunctionError(SpexError, ValueError):
    """The value function returned something that is not one finite real number per mask."""


class FileFormatError(SpexError, ValueError):
    """A file cannot be read as what it should be."""


class MissingExtraError(SpexError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


class BackendError(SpexError, RuntimeError):
    """A model, a server or a disk failed."""


class StoreError(SpexError, RuntimeError):
    """The sample store cannot be opened, read or written."""
