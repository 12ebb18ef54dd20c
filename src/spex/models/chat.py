"""How a chat becomes a model's input: its chat template, and the start of the answer."""

import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from spex.errors import ArgumentError
from spex.models.protocol import Prompt
from spex.models.reasoning_tags import is_closed, open_block

_OPENS = "The chat template opens a reasoning block"


@dataclass(frozen=True)
class ChatOptions:
    """The user's options for a chat.

    Args:
        chat_template_kwargs: variables for the chat template, such as {"enable_thinking": False}.
        answer_prefix: text at the start of the assistant's answer. What is scored or generated
            comes after it.

    Raises:
        ArgumentError: the variables are no JSON object, or the prefix is no str.
    """

    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    answer_prefix: str = ""

    def __post_init__(self) -> None:
        variables: object = self.chat_template_kwargs
        try:
            json.dumps(variables, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            variables = None
        if not isinstance(variables, Mapping) or not all(isinstance(v, str) for v in variables):
            raise ArgumentError(
                f"chat_template_kwargs={self.chat_template_kwargs!r}: give names and JSON values, "
                "such as {'enable_thinking': False}"
            )
        if not isinstance(self.answer_prefix, str):
            raise ArgumentError(
                f"answer_prefix must be a str, not {type(self.answer_prefix).__name__}"
            )

    @property
    def given(self) -> dict[str, Any]:
        """The options that are not empty, by name."""
        return {name: value for name, value in vars(self).items() if value}

    def begun(self, prompt: Prompt) -> str:
        """The start of the answer to a prompt: the model's, then the prompt's own."""
        return self.answer_prefix + prompt.answer_prefix

    @property
    def identity(self) -> str:
        """The part of a model's identity that they determine; empty for none."""
        return f";chat={json.dumps(self.given, sort_keys=True)}" if self.given else ""


class ChatTemplate:
    """A chat template, rendered as transformers renders it.

    Args:
        source: the template, in Jinja.
        model: what messages call the model.

    Attributes:
        variables: what it reads, beside functions.

    Raises:
        ArgumentError: it is no template.
    """

    def __init__(self, source: str, model: str) -> None:
        # Here, because it takes a tenth of a second.
        from jinja2 import ext, meta, nodes
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        class Generation(ext.Extension):
            """Marks what the assistant says, for training."""

            tags = {"generation"}  # noqa: RUF012

            def parse(self, parser: Any) -> Any:
                line = next(parser.stream).lineno
                body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
                return nodes.Scope(body, lineno=line)

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[Generation, ext.loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals |= {"raise_exception": _refuse, "strftime_now": _now}
        self._model, self._source = model, source
        try:
            self._template = environment.from_string(source)
            read = meta.find_undeclared_variables(environment.parse(source))
        except Exception as error:  # a broken template may raise anything
            raise ArgumentError(f"the chat template of {model!r} is broken: {error}") from error
        self.variables = frozenset(read) - frozenset(environment.globals)

    def check(self, variables: Mapping[str, Any]) -> None:
        """Refuse variables that it does not read.

        Raises:
            ArgumentError: there is one.
        """
        for name in variables:
            if name not in self.variables:
                raise ArgumentError(
                    f"the chat template of {self._model!r} has no variable {name!r}; it has "
                    f"{', '.join(map(repr, sorted(self.variables)))}"
                )

    def render(self, prompt: Prompt, variables: Mapping[str, Any]) -> str:
        """The text of a prompt, up to the start of the assistant's answer.

        Raises:
            ArgumentError: the template refuses the messages.
        """
        try:
            rendered = self._template.render(
                messages=template_messages(prompt, self._source),
                add_generation_prompt=True,
                tools=None,
                documents=None,
                **variables,
            )
        except Exception as error:  # a template may raise anything, such as "no system role"
            raise ArgumentError(refusal(self._model, error)) from error
        check_calls(self._model, prompt, rendered)
        return rendered


def template_messages(prompt: Prompt, source: str) -> list[dict[str, Any]]:
    """The messages as a chat template expects them.

    A developer's message becomes one of the system where the template knows no developer.

    Args:
        prompt: the prompt.
        source: the template.
    """
    messages = [message.to_json(parsed=True) for message in prompt.messages]
    if "developer" not in source:
        for message in messages:
            message["role"] = message["role"].replace("developer", "system")
    return messages


def check_calls(model: str, prompt: Prompt, rendered: str) -> None:
    """Refuse a template that leaves calls of tools out: many do so without a word.

    Raises:
        ArgumentError: it does.
    """
    for call in (call for message in prompt.messages for call in message.tool_calls):
        if call.name not in rendered:
            raise ArgumentError(
                f"the chat template of {model!r} leaves out calls of tools; use a model "
                "whose template knows them, or write the calls into the content"
            )


def refusal(model: str, error: Exception) -> str:
    """The message for a user if a chat template raises an error."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"the chat template of {model!r} refuses the messages: {first}"


def without_template(prompt: Prompt) -> str:
    """The text of a prompt for a model without a chat template; its own answer prefix follows."""
    ends = [""] if prompt.answer_prefix else []
    return "\n\n".join([*(message.as_text for message in prompt.messages), *ends])


def added_tokens(text: list[int], whole: list[int]) -> tuple[list[int], list[int]]:
    """The special tokens that a tokenizer adds before a text, and those after it.

    Args:
        text: the tokens of a text.
        whole: the same with special tokens.
    """
    starts = (i for i in range(len(whole)) if whole[i : i + len(text)] == text)
    start = next(starts, 0)
    return whole[:start], whole[start + len(text) :]


def start_of_answers(start: str, tokenize: Callable[[str], list[int]]) -> tuple[str, list[int]]:
    """The text that answers are tokenised after, and its tokens; mostly none.

    Tokenizers as of Llama 2 put a space before every text, so also before an answer by itself.
    After "[/INST]" the model writes one, after a template that ends in a line break none.

    Args:
        start: a prompt by the chat template, up to the answer; empty without a template.
        tokenize: gives the tokens of a text, without special ones.
    """
    if not start[-1:].isspace():
        return "", []
    before, joined = tokenize(start), tokenize(start + "a")
    stays = joined[: len(before)] == before
    return (start, before) if stays and joined[len(before) :] != tokenize("a") else ("", [])


def no_start(model: str) -> str:
    """The message on an empty prompt for a model without a token to begin with."""
    return (
        f"the prompt is empty and {model!r} has no token to begin a text with; put the text into a "
        "prompt template"
    )


def check_no_variables(variables: Mapping[str, Any], model: str) -> None:
    """Refuse variables for a model without a chat template.

    Raises:
        ArgumentError: there are any.
    """
    if variables:
        raise ArgumentError(f"{model!r} has no chat template; leave chat_template_kwargs out")


def notes_on(template: str | None, start: str | None) -> tuple[str, ...]:
    """Notes for reports on the chat template, a sentence each.

    Args:
        template: the chat template; None if the model has none.
        start: a prompt up to the answer; None if the template refused it.
    """
    if template is None:
        return ("The model has no chat template: it was given the bare text.",)
    opened = open_block(start or "")
    if opened is None:
        return ()
    mark = (start or "")[opened.start : opened.stop]
    return (
        f"{_OPENS} ({mark}), so the answer is read as reasoning. "
        "To close the block: a variable of the template (--chat-template-kwargs), or "
        f"{opened.closing} at the start of the answer (--answer-prefix).",
    )


def notes_for(notes: Sequence[str], prompt: Prompt) -> tuple[str, ...]:
    """The notes of a model that hold for a prompt, which may close a reasoning block itself."""
    closed = is_closed(prompt.answer_prefix)
    return tuple(note for note in notes if not (closed and note.startswith(_OPENS)))


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # Jinja's own filter escapes HTML.
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)  # fmt: skip


def _refuse(message: str) -> NoReturn:
    raise ValueError(message)


def _now(form: str) -> str:
    return datetime.datetime.now().strftime(form)
