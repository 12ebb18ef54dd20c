"""Texts cut to fit a line."""


def shorten(text: str, limit: int = 60) -> str:
    """Cut a text to at most `limit` characters, and end it with three dots where it was longer."""
    return text if len(text) <= limit else text[: limit - 3] + "..."
