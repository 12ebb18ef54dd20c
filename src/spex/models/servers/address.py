"""Names and addresses of models on servers, checked before any message shows them.

A base URL may hold a password or a key. Such a URL is refused, and no message repeats it.
"""

import os
import re
from urllib.parse import unquote, urlsplit

from spex.errors import ArgumentError

PREFIX = "openai:"
SGLANG_PREFIX = "sglang:"
# Prefixes of the names of models on servers.
SERVER_PREFIXES = (PREFIX, SGLANG_PREFIX)
KEY_VARIABLE = "OPENAI_API_KEY"
FORM = "'openai:MODEL@BASE_URL', such as 'openai:gpt-4o-mini@https://api.openai.com/v1'"

# An address with a user or a query. Or a user and a password, if the name has no kind of model.
_MAY_HOLD_SECRET = re.compile(r"://.*[@?#]|^(?!hf:|gguf:|reply:|predict:)[^:]*:.*@", re.DOTALL)

# The form of keys of OpenAI and its imitators. "sk-" alone may begin a host's name.
_KEY_OF_OPENAI = re.compile(r"\bsk-[\w-]*[A-Za-z0-9]{16}")


def refuse_secret(name: object) -> None:
    """Refuse the name of any model that may hold a password or key.

    Raises:
        ArgumentError: it may, or it begins with "openai:" or "sglang:" and has another form than
            it should.
    """
    if not isinstance(name, str):
        return
    if name.startswith(SERVER_PREFIXES):
        split_name(name)
    elif _MAY_HOLD_SECRET.search(name) or _holds_key(name):
        raise ArgumentError(
            "the model's name holds what may be a password or a key; put the key into the "
            f"environment variable {KEY_VARIABLE} and, for a model on a server, write {FORM}"
        )


def split_name(name: str) -> tuple[str, str]:
    """The model and the base URL in a name such as "openai:MODEL@BASE_URL" or "sglang:MODEL@URL".

    Raises:
        ArgumentError: the name has another form; see also `check_url`.
    """
    match = re.fullmatch(rf"(?:{'|'.join(SERVER_PREFIXES)})(.+?)@(https?://.+)", name)
    if match is None:
        if name.startswith(SGLANG_PREFIX):
            raise ArgumentError(
                "the name of the model on SGLang: write 'sglang:MODEL@URL', such as "
                "'sglang:my-model@http://127.0.0.1:30000'"
            )
        raise ArgumentError(f"the name of the model on an OpenAI-compatible server: write {FORM}")
    model, base_url = match.groups()
    check_url(base_url)
    if _KEY_OF_OPENAI.search(model) or _holds_key(model):
        raise ArgumentError(
            "the model's name holds a key; put it into the environment variable "
            f"{KEY_VARIABLE} and write {FORM}"
        )
    return model, base_url


def check_url(base_url: object) -> None:
    """Refuse a base URL that is no plain address.

    Raises:
        ArgumentError: it is none, or holds a user, a password, a query or a key.
    """
    if not isinstance(base_url, str):
        raise ArgumentError(f"base_url must be a str, not {type(base_url).__name__}")
    decoded = unquote(base_url)  # some servers read "%3Fkey=" as a query
    if (
        re.search(r"[@?#]|;[^/]*=", decoded)
        or _KEY_OF_OPENAI.search(decoded)
        or _holds_key(decoded)
    ):
        raise ArgumentError(
            "base_url holds more than an address, such as a password, a key or a query; put the "
            f"key into the environment variable {KEY_VARIABLE} and write {FORM}"
        )
    try:
        parts = urlsplit(base_url)
        _ = parts.port  # raises if the port is not a number
        is_address = parts.scheme in ("http", "https") and re.fullmatch(r"\S+", base_url)
        is_address = is_address and re.fullmatch(r"[\w.:-]+", parts.hostname or "")
    except ValueError:
        is_address = None
    if not is_address:
        raise ArgumentError(f"base_url is no address; write {FORM}")


def key_of_environment() -> str | None:
    """The key in OPENAI_API_KEY; None if there is none."""
    return os.environ.get(KEY_VARIABLE, "").strip() or None


def _holds_key(text: str) -> bool:
    key = key_of_environment()
    # Shorter values, such as "none", are placeholders for servers without keys.
    return key is not None and len(key) >= 12 and key in text
