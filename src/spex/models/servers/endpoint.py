"""Requests to an OpenAI-compatible server: time-outs, retries, rate limits, token counts.

A request is sent again, after growing pauses, where the failure may pass: no connection, a
time-out, a status of 5xx. A server that limits the rate says when to come back (Retry-After); it
gets no request before that time. A reply that cannot be used is paid for all the same, so it is
asked for only once more. Any other failure is an error at once. The client's own retries know
neither such replies nor that other requests have to wait as well. The key goes into the header of
each request and never into a message, even if a server quotes it.
"""

import asyncio
import logging
import math
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from spex.checks.arguments import seconds_of
from spex.errors import ArgumentError, BackendError, SpexError
from spex.extras import require
from spex.models.servers.address import KEY_VARIABLE
from spex.models.servers.failures import (
    PATIENCE_SECONDS,
    Failures,
    Kind,
    RequestFailed,
    UnusableReply,
    message_of,
)
from spex.models.servers.usage import Usage, checked_price

T = TypeVar("T")

# A busy server may keep a request waiting for minutes.
TIMEOUT_SECONDS = 120.0
CONCURRENCY = 8
_ATTEMPTS = 8
# Only a few, so that a wrong address is reported within seconds.
_LOOK_UP_ATTEMPTS = 4
_UNUSABLE_ATTEMPTS = 2
# Pauses between attempts grow from half a second to half a minute: 8 attempts span about a minute.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_RANDOM = random.Random()  # its own, so that the global random state is left alone
# Bytes of a reply. The log-probabilities of a prompt of 128,000 tokens take about 10 MB.
_LARGEST_REPLY = 64 << 20
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
WITHOUT_LOG_PROBS = (
    "choose a score of the replies: similarity (spex.Similarity()), matches:PATTERN "
    "(spex.Matches) or json:FIELD=VALUE (spex.JsonField)"
)


class Endpoint:
    """The address of a server and the settings of requests to it.

    Args:
        base_url: such as "http://127.0.0.1:8000/v1".
        key: the bearer token; None for servers without keys.
        concurrency: the most requests at once.
        timeout: seconds after which a request counts as failed.
        label: the server's name in messages; default: the base URL.
        price: see `Usage`.
        notice: is told once when requests begin to fail and are retried, once when they succeed
            again, and once that the server limits the rate. Default: the log `spex`, which Python
            writes on standard error.

    Attributes:
        usage: counts of all requests so far.
        failures: reads the errors of requests.

    Raises:
        MissingExtraError: openai is not installed.
    """

    def __init__(
        self,
        base_url: str,
        key: str | None,
        concurrency: int = CONCURRENCY,
        timeout: float = TIMEOUT_SECONDS,
        label: str | None = None,
        price: tuple[float, float] | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self._openai = require("openai", "openai")
        if concurrency < 1:
            raise ArgumentError(f"concurrency={concurrency} is below 1, the least")
        timeout = seconds_of("timeout", timeout)
        if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
            # The client's error message would quote it.
            raise ArgumentError(
                f"the key in {KEY_VARIABLE} holds characters that no key holds, such as a line "
                "break; set it anew"
            )
        self.base_url = base_url.rstrip("/")
        self.label = label or self.base_url
        self.concurrency = concurrency
        self.usage = Usage(price=checked_price(price))
        self._key = key
        self._timeout = timeout
        self.failures = Failures(self._openai, key, timeout)
        self._notice = notice or logging.getLogger("spex").warning
        self._is_failing = self._is_limiting = False

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Connection"]:
        """Connections for the running event loop."""
        # Use no proxy for this machine, whatever the environment says.
        address = urlsplit(self.base_url)
        direct = address.hostname in _THIS_MACHINE
        openai = self._openai
        try:
            client = openai.AsyncOpenAI(
                base_url=self.base_url,
                # Follow no redirects: they take the prompt elsewhere, and turn most requests into a
                # GET.
                http_client=_capped(openai.DefaultAsyncHttpxClient)(
                    trust_env=not direct,
                    follow_redirects=False,
                    # Reading all certificates takes 20 ms; plain HTTP has none to verify.
                    verify=not (direct and address.scheme == "http"),
                ),
                # The client demands a key, even for servers without keys.
                api_key=self._key or "none",
                timeout=self._timeout,
                max_retries=0,  # `Connection` retries
            )
        except Exception as error:  # do not quote it: it may hold a proxy's password
            raise BackendError(
                f"{self.label} cannot be asked ({type(error).__name__}): check the address, and "
                "the environment variables for proxies and certificates, such as HTTPS_PROXY and "
                "SSL_CERT_FILE"
            ) from None
        async with client:
            yield Connection(self, client)

    def told_failure(self, failure: RequestFailed) -> None:
        """Say that a request failed and is sent again, once for all requests that fail now."""
        if not self._is_failing:
            self._is_failing = True
            self._notice(f"{self.label} {failure}; trying again")

    def told_limit(self, failure: RequestFailed) -> None:
        """Say that the server limits the rate, once: it is no failure, and may come each time."""
        if not self._is_limiting:
            self._is_limiting = True
            self._notice(f"{self.label} {failure}; it limits the rate, and requests wait for it")

    def told_success(self) -> None:
        """Say that requests succeed again, if it was said that they fail."""
        if self._is_failing:
            self._is_failing = False
            self._notice(f"{self.label} answers again")

    def error(self, failure: RequestFailed) -> BackendError | ArgumentError:
        """The error to raise for a request that failed for good."""
        if failure.overlong:
            return ArgumentError(
                f"{self.label} refuses a prompt as too long for the model's context "
                f"({failure}); shorten the text or use a model with a longer context"
            )
        if failure.status in (401, 403):
            remedy = "check the key in it" if self._key else "put your key into it"
            return BackendError(
                f"{self.label} refuses access (HTTP {failure.status}); spex takes the key from "
                f"the environment variable {KEY_VARIABLE}: {remedy}"
            )
        return BackendError(f"{self.label} {failure}")


class Connection:
    """Connections to an endpoint, for one event loop."""

    def __init__(self, endpoint: Endpoint, client: Any) -> None:
        self._endpoint = endpoint
        self._client = client
        self._opens = 0.0  # no request before this time, by time.monotonic()

    async def post(self, path: str, body: dict[str, Any], parse: Callable[[Any], T]) -> T:
        """Send JSON, again if need be, until the reply can be used.

        Args:
            path: relative to the base URL, or a whole URL.
            body: the request.
            parse: reads the JSON of the reply. If it raises a SpexError, that ends the call; any
                other error means that the reply cannot be used.

        Returns:
            The result of parse.

        Raises:
            RequestFailed: the last attempt failed.
            SpexError: parse raised it.
        """
        return await self._insist(self._send_post, path, body, parse, _ATTEMPTS)

    async def look_up(self, path: str, parse: Callable[[Any], T]) -> T:
        """Fetch JSON with few attempts; see `post`."""
        return await self._insist(self._send_get, path, None, parse, _LOOK_UP_ATTEMPTS)

    async def _send_post(self, path: str, body: Any) -> Any:
        return await self._client.post(path, body=body, cast_to=object)

    async def _send_get(self, path: str, _: Any) -> Any:
        return await self._client.get(path, cast_to=object)

    async def _insist(
        self,
        send: Callable[[str, Any], Any],
        path: str,
        body: Any,
        parse: Callable[[Any], T],
        attempts: int,
    ) -> T:
        most = {Kind.PASSING: attempts, Kind.UNUSABLE: _UNUSABLE_ATTEMPTS}
        failed: Counter[Kind] = Counter()
        patient_until = math.inf
        while True:
            try:
                result = await self._try(send, path, body, parse)
            except RequestFailed as caught:
                failure = caught
            else:
                self._endpoint.told_success()
                return result
            kind = failure.kind
            failed[kind] += 1
            if kind is Kind.LASTING:
                raise failure
            if kind is Kind.LIMITED:  # not a failure of the server, so not an attempt
                now = time.monotonic()
                patient_until = min(patient_until, now + PATIENCE_SECONDS)
                is_last = now >= patient_until
                tried = f"it did so for {PATIENCE_SECONDS:.0f} s"
            else:
                patient_until = math.inf
                is_last = failed[kind] >= most[kind]
                tried = f"{failed[kind]} attempts failed"
            if is_last:
                raise RequestFailed(f"{failure}; {tried}", kind, failure.status)
            if kind is Kind.LIMITED:
                self._endpoint.told_limit(failure)
            elif kind is Kind.PASSING:  # after an unusable reply the server is still reachable
                self._endpoint.told_failure(failure)
            told = failure.retry_after
            # Add a random delay, so that requests do not all come back at the same time.
            await asyncio.sleep(
                _pause(_FIRST_PAUSE, failed[kind])
                if told is None
                else told + _pause(0.1, failed[kind])
            )

    async def _try(
        self, send: Callable[[str, Any], Any], path: str, body: Any, parse: Callable[[Any], T]
    ) -> T:
        while (early := self._opens - time.monotonic()) > 0:
            await asyncio.sleep(early)
        usage = self._endpoint.usage
        try:
            # A time-out for the whole request; the client's own time-out is for each read.
            async with asyncio.timeout(self._endpoint._timeout):
                reply = await send(path, body)
            if not isinstance(reply, dict):
                raise UnusableReply("it is no JSON object")
            if body is not None:  # count the usage of unusable replies too
                self._count_tokens(reply, may_be_free=path.endswith("tokenize"))
            if reply.get("error"):  # some proxies report errors with status 200
                says = self._endpoint.failures.line(message_of(reply)) or "error"
                raise RequestFailed(f"answered with an error: {says}", Kind.PASSING)
            parsed = parse(reply)
        except SpexError:  # the reply can be used, but the request was wrong
            usage.requests += body is not None
            raise
        except Exception as error:
            usage.failures += 1
            failure = self._endpoint.failures.read(error)
            if failure.retry_after is not None:
                self._opens = max(self._opens, time.monotonic() + failure.retry_after)
            raise failure from None
        usage.requests += body is not None
        return parsed

    def _count_tokens(self, reply: dict[str, Any], *, may_be_free: bool) -> None:
        told = reply.get("usage") or reply.get("meta_info")  # SGLang's own routes use `meta_info`
        counts = []
        for name in ("prompt_tokens", "completion_tokens"):
            count = told.get(name) if isinstance(told, dict) else None
            if isinstance(count, int) and 0 <= count < 1 << 48:
                setattr(self._endpoint.usage, name, getattr(self._endpoint.usage, name) + count)
                counts.append(count)
        is_counted = len(counts) == 2 and any(counts)  # some servers send zeros
        if not (is_counted or may_be_free or reply.get("error")):
            self._endpoint.usage.uncounted += 1


def _pause(first: float, attempt: int) -> float:
    """Random seconds: at most `first` before attempt 1, and twice as many before each next one."""
    return _RANDOM.uniform(0, min(_LONGEST_PAUSE, first * 2.0 ** min(attempt - 1, 20)))


def _capped(client: Any) -> Any:
    """A class of httpx's clients, changed to stop reading a reply that is too large."""

    class Capped(client):  # type: ignore[misc]
        async def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
            response = await super().send(request, stream=True, **options)
            if stream:
                return response
            body = bytearray()
            try:
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > _LARGEST_REPLY:
                        limit = f"{_LARGEST_REPLY >> 20} MB, the most that is read"
                        raise RequestFailed(f"sent a reply of more than {limit}", Kind.LASTING)
            finally:
                await response.aclose()
            headers = response.headers
            # These describe the body before decoding.
            for name in ("content-encoding", "content-length"):
                headers.pop(name, None)
            return type(response)(
                response.status_code, headers=headers, content=bytes(body), request=request
            )

    return Capped
