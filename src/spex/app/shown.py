"""What both tabs show: messages, and pages of explanations."""

import html


def status(text: str, is_error: bool = False) -> str:
    """A message that a screen reader tells."""
    role = "alert" if is_error else "status"
    return f'<p role="{role}" style="margin: 0.3em 0">{html.escape(text)}</p>'


def frame(page: str) -> str:
    """The page of an explanation, isolated from the page around it."""
    return (
        '<iframe title="Explanation" sandbox="allow-scripts allow-downloads" '
        f'srcdoc="{html.escape(page)}" '
        'style="width: 100%; height: 85vh; border: 1px solid #8886; border-radius: 8px"></iframe>'
    )
