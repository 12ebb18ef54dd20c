"""Retry a user's function that sometimes fails, and report its error in one line."""

import sysconfig
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray
from spex.errors import BackendError, SpexError
from spex.values.source import ValueSource, Wrapped
from spex.wording import counted

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0  # seconds before it is asked again
_OURS = Path(__file__).parents[1]
_LIBRARIES = tuple(map(Path, (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))))

T = TypeVar("T")


class Retries:
    """How often a function is asked again.

    Args:
        most: How many times in a row. None if no function of the user's is called: then an error is
            a bug of spex and is raised as it is.
        notice: Told of the first failure.

    Attributes:
        count: Failures after which the function was asked again.
    """

    def __init__(self, most: int | None, notice: Callable[[str], None]) -> None:
        self._most, self._notice = most, notice
        self._in_a_row = 0
        self.count = 0

    def __getstate__(self) -> dict[str, Any]:
        """Another process, such as a worker, asks again and tells nobody."""
        return {**self.__dict__, "_notice": _silent}

    def call(self, action: Callable[[], T]) -> T:
        """The result of an action that asks the function.

        Raises:
            SpexError: as the action does, which is not repeated then.
            BackendError: the function raised something, too often.
        """
        while True:
            try:
                result = action()
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self.failed(error)
            else:
                self.succeeded()
                return result

    def succeeded(self) -> None:
        """Restart the count."""
        self._in_a_row = 0

    def failed(self, error: BaseException) -> None:
        """Pause before another call, or raise the error, with its place in the user's file."""
        if isinstance(error, RuntimeError) and isinstance(error.__cause__, StopIteration):
            # Python turns a StopIteration raised in a generator into a RuntimeError.
            error = error.__cause__
        place = place_of(error)
        if self._most is None or isinstance(error, SpexError) or place is None:
            raise error
        text = " ".join(str(error).split())
        what = f"{type(error).__name__}{': ' if text else ''}{text} ({place})"
        if self._in_a_row == self._most:
            again = f" {counted(self._most + 1, 'time')} in a row" if self._most else ""
            raise BackendError(f"the function raised{again} {what}") from error
        if not self.count:
            self._notice(f"the function raised {what}; it is asked again")
        time.sleep(min(_FIRST_PAUSE * 2**self._in_a_row, _LONGEST_PAUSE))
        self._in_a_row += 1
        self.count += 1


def _silent(_: str) -> None: ...


class Retrying(Wrapped):
    """A source that asks again for masks whose evaluation raised something.

    Args:
        source: Source made from a function of the user's.
        retries: How often.
    """

    def __init__(self, source: ValueSource, retries: Retries) -> None:
        super().__init__(source)
        self._retries = retries

    def stream(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        """See `ValueSource.stream`.

        Raises:
            BackendError: the function raised something, too often.
        """
        left = np.arange(len(masks))
        while len(left):
            done: list[IntArray] = []
            batches: Iterator[tuple[IntArray, FloatArray]] | None = None
            while True:
                try:  # not around the yield: a GeneratorExit there is the caller's
                    batches = iter(self._source.stream(masks[left])) if batches is None else batches
                    rows, values = next(batches)
                except StopIteration:
                    return
                except KeyboardInterrupt:
                    raise
                except BaseException as error:
                    self._retries.failed(error)
                    break
                self._retries.succeeded()
                done.append(rows)
                yield left[rows], values
            left = np.delete(left, np.concatenate(done)) if done else left


def place_of(error: BaseException) -> str | None:
    """The origin of an error as "FILE:LINE": the innermost of the user's files.

    Otherwise that of a library. None if spex itself raised it, which is a bug.
    """
    frames = [
        (Path(frame.filename), frame.lineno)
        for frame in traceback.extract_tb(error.__traceback__)
        if not Path(frame.filename).is_relative_to(_OURS)
    ]
    own = [one for one in frames if not any(one[0].is_relative_to(place) for place in _LIBRARIES)]
    if not frames:
        return None
    path, line = (own or frames)[-1]
    here = Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{line}"
