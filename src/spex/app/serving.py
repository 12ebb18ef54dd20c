"""The server of `spex app`: on 127.0.0.1 alone, and nothing leaves this machine."""

import os
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from spex.app.models import SharedModels
from spex.app.shelf import Shelf, data_folder
from spex.cli.session import Session
from spex.errors import ArgumentError
from spex.extras import require
from spex.wording import counted

if TYPE_CHECKING:
    from spex.app.page import Desk

_HOST = "127.0.0.1"
# What the page and the explanation in it may load: nothing from elsewhere.
_POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'self'; "
    "base-uri 'self'; form-action 'self'"
)
# Some letters of gradio are too pale: the contrast must be 4.5:1. A long choice ran under its
# arrow.
_STYLE = (
    ":root { --color-accent: #1d4ed8; } .dark { --color-accent: #60a5fa; } "
    "input:is([role=listbox], [role=combobox]) { text-overflow: ellipsis; margin-right: 1.2em; }"
)
_SECONDS_TO_END = 60.0  # enough for one more fit on a slow machine
_Message = MutableMapping[str, Any]


class _Policy:
    """Sends the policy with every answer, and changes nothing else."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(
        self,
        scope: _Message,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        async def with_policy(message: _Message) -> None:
            if message["type"] == "http.response.start":
                header = (b"content-security-policy", _POLICY.encode())
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        await self._application(scope, receive, with_policy)


def run(session: Session, port: int, model: str) -> None:
    """Serve until Ctrl-C.

    Raises:
        ArgumentError: the port is wrong or taken.
        MissingExtraError: gradio is not installed.
        Interrupted: Ctrl-C.
    """
    if not 0 <= port < 1 << 16:
        raise ArgumentError(f"--port {port}: give a number from 0 to 65535")
    # Set before the import: gradio then sends no analytics and does not look for a newer version.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    gradio = require("gradio", "app")
    from spex.app.page import Desk, build

    desk = Desk(Shelf(data_folder() / "explanations"), SharedModels())
    with session.interruptible(lambda: _ended(desk)):
        _serve(session, gradio, build(gradio, desk, model), desk, port)


def _serve(session: Session, gradio: Any, page: Any, desk: "Desk", port: int) -> None:
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    # A foreign page whose domain name was pointed here (DNS rebinding) has another host.
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[_HOST, "localhost"])
    try:
        _, address, _ = page.queue(default_concurrency_limit=None).launch(
            server_name=_HOST,
            server_port=port or None,
            share=False,
            ssr_mode=False,
            quiet=True,
            prevent_thread_lock=True,
            footer_links=[],
            app_kwargs={"middleware": [hosts, Middleware(_Policy)]},
            allowed_paths=[str(desk.shelf.folder)],
            theme=_theme(gradio),
            css=_STYLE,
        )
    except OSError as error:
        raise ArgumentError(f"--port {port}: {error}; give another one, or 0") from error
    try:
        session.tell(f"open {address} in a browser; Ctrl-C ends it")
        threading.Event().wait()
    finally:
        page.close(verbose=False)


def _theme(gradio: Any) -> Any:
    """Fonts of the system, because others would come from elsewhere."""
    return gradio.themes.Default(
        primary_hue="blue",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
        spacing_size="sm",
    ).set(
        body_text_color_subdued="*neutral_600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        **{f"button_primary_background_fill{dark}": "*primary_700" for dark in ("", "_dark")},
        **{f"button_primary_background_fill_hover{dark}": "*primary_800" for dark in ("", "_dark")},
    )


def _ended(desk: "Desk") -> str:
    """Stop the running explanations, and keep them."""
    running = [job for job in desk.jobs if not job.wait(0)]
    for job in running:
        job.stop()
    saved = sum(job.wait(_SECONDS_TO_END) and job.is_saved for job in running)
    if not running:
        return ""
    return f"{counted(saved, 'explanation')} of {len(running)} running kept in {desk.shelf.folder}"
