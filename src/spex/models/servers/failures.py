"""Why a request to a server failed, and whether the same request may succeed."""

import email.utils
import time
from enum import Enum, auto
from typing import Any

# The longest that one request waits for a server that limits the rate.
PATIENCE_SECONDS = 600.0
_OVERLONG = (
    "context_length_exceeded",
    "exceed_context_size_error",
    "maximum context length",
    "longer than the model's context length",
)


class UnusableReply(Exception):
    """The server's reply cannot be used; the message says why, as "it ..."."""


class Kind(Enum):
    """Whether to try again."""

    PASSING = auto()  # the same request may succeed
    UNUSABLE = auto()  # it was answered, and may get a better reply
    LIMITED = auto()  # the server asks to wait
    LASTING = auto()  # the same request would fail again


class RequestFailed(Exception):
    """One attempt failed.

    Args:
        what: what happened, for the user.
        kind: whether to try again.
        status: the HTTP status, if any.
        retry_after: seconds to wait before the next request, if the server said so.
        overlong: whether the prompt exceeds the context.
    """

    def __init__(
        self,
        what: str,
        kind: Kind,
        status: int | None = None,
        retry_after: float | None = None,
        overlong: bool = False,
    ) -> None:
        super().__init__(what)
        self.kind = kind
        self.status = status
        self.retry_after = retry_after
        self.overlong = overlong


class Failures:
    """Reads errors of requests.

    Args:
        openai: The package.
        key: The bearer token, which no message may show.
        timeout: Seconds after which a request counts as failed.
    """

    def __init__(self, openai: Any, key: str | None, timeout: float) -> None:
        self._openai = openai
        self._key = key
        self._timeout = timeout

    def read(self, error: Exception) -> RequestFailed:
        """The reason why one attempt failed."""
        openai = self._openai
        if isinstance(error, RequestFailed):
            return error
        if isinstance(error, TimeoutError | openai.APITimeoutError):
            return RequestFailed(f"did not answer within {self._timeout:g} s", Kind.PASSING)
        if isinstance(error, openai.APIStatusError):
            return self._status_failure(error)
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__ or error
            if isinstance(cause, RequestFailed):
                return cause
            what = f"cannot be reached or broke off ({self.line(cause)})"
            return RequestFailed(what, Kind.PASSING)
        # All other errors come from reading the reply: it is not JSON, or lacks a field.
        if isinstance(error, LookupError | TypeError | AttributeError):
            error = UnusableReply("it does not follow the OpenAI API")
        what = f"sent a reply that cannot be used: {self.line(error)}"
        return RequestFailed(what, Kind.UNUSABLE)

    def _status_failure(self, error: Any) -> RequestFailed:
        status = int(error.status_code)
        says = self.line(message_of(error.body))
        what = f"answered with HTTP {status}" + (f": {says}" if says else "")
        if 300 <= status < 400:
            what += "; give the address that it redirects to"
            return RequestFailed(what, Kind.LASTING, status)
        retry_after = _retry_after(error.response.headers)
        if retry_after is not None and retry_after > PATIENCE_SECONDS:
            what += f" (and wants to be asked again in {retry_after:.0f} s)"
            return RequestFailed(what, Kind.LASTING, status)
        code = str(getattr(error, "code", None))
        if code == "insufficient_quota":  # waiting does not help with this 429
            return RequestFailed(what, Kind.LASTING, status)
        if status == 429 or retry_after is not None:
            return RequestFailed(what, Kind.LIMITED, status, retry_after)
        if status in (408, 409, 425) or status >= 500:
            return RequestFailed(what, Kind.PASSING, status)
        overlong = status in (400, 413, 422) and any(
            sign in f"{code} {getattr(error, 'type', None)} {says}" for sign in _OVERLONG
        )
        return RequestFailed(what, Kind.LASTING, status, overlong=overlong)

    def line(self, told: str | BaseException) -> str:
        """A message of a server or a client on one short line, without the key."""
        text = told if isinstance(told, str) else str(told) or type(told).__name__
        line = " ".join(text.split())
        if self._key:  # before shortening, because a part of the key would not be found
            line = line.replace(self._key, "[key]")
        return line if len(line) <= 200 else line[:197] + "..."


def _retry_after(headers: Any) -> float | None:
    """Seconds to wait (RFC 9110, section 10.2.3); the header holds seconds or a date."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, date.timestamp() - time.time())


def message_of(body: Any) -> str:
    """The error message in a server's reply."""
    for _ in range(2):  # {"error": {"message": ...}} or {"message": ...}
        if isinstance(body, dict):
            body = body.get("message") or body.get("error") or body.get("detail")
    return body if isinstance(body, str) else ""
