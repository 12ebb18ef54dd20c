"""Every error that spex raises on purpose, split by whose fault it is.

`ArgumentError` and its kin mean that the call was wrong: the message says what was given, the
limit and the remedy. `BackendError`, `ScoringError` and `StoreError` mean that the outside world
(a model, a server, a file) misbehaved. Any other exception is a bug in spex or in the function
explained.
"""


class SpexError(Exception):
    """Base of every error that spex raises on purpose.

    Example:
        >>> import spex
        >>> try:
        ...     spex.explain(lambda masks: 1.0 * masks[:, 0], 3, budget=0)
        ... except spex.SpexError as error:
        ...     print(type(error).__name__)
        ArgumentError
    """


class ArgumentError(SpexError, ValueError):
    """An argument is wrong; the message says which, the limit and the remedy.

    Example:
        >>> import spex
        >>> spex.explain(lambda masks: 1.0 * masks[:, 0], 3, method="magic")
        Traceback (most recent call last):
        spex.errors.ArgumentError: ...
    """


class ValueFunctionError(SpexError, ValueError):
    """The value function returned something that is not one finite real number per mask.

    Example:
        >>> import spex
        >>> spex.explain(lambda masks: [float("nan")] * len(masks), 3, budget=8)
        Traceback (most recent call last):
        spex.errors.ValueFunctionError: ...
    """


class FileFormatError(SpexError, ValueError):
    """A file cannot be read as what it should be.

    Example:
        >>> import spex
        >>> spex.Explanation.load("no_such_file.json")
        Traceback (most recent call last):
        spex.errors.FileFormatError: ...
    """


class MissingExtraError(SpexError, ImportError):
    """An optional package is not installed; the message names the extra that brings it.

    Example:
        >>> import spex
        >>> issubclass(spex.MissingExtraError, ImportError)
        True
    """


class BackendError(SpexError, RuntimeError):
    """A model, a server or a disk failed.

    Example:
        >>> import spex
        >>> issubclass(spex.BackendError, RuntimeError)
        True
    """


class ScoringError(SpexError, RuntimeError):
    """A model gives other log-probabilities when it is asked in another way; see docs/models.md.

    Example:
        >>> import spex
        >>> issubclass(spex.ScoringError, spex.SpexError)
        True
    """


class StoreError(SpexError, RuntimeError):
    """The sample store cannot be opened, read or written.

    Example:
        >>> import spex
        >>> spex.Store("no/such/folder/values.sqlite")
        Traceback (most recent call last):
        spex.errors.StoreError: ...
    """
