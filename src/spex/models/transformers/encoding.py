"""Prompts and answers as the tokens of a model."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from spex.errors import ArgumentError
from spex.models.chat import (
    ChatOptions,
    ChatTemplate,
    added_tokens,
    check_calls,
    check_no_variables,
    no_start,
    notes_on,
    refusal,
    start_of_answers,
    template_messages,
    without_template,
)
from spex.models.protocol import Message, Prompt


class Encoding:
    """The part of a transformers model that needs its tokenizer, but not its network.

    If the tokenizer has a chat template, prompts go through it, up to the start of the assistant's
    answer. Otherwise the contents of the messages are joined by blank lines, with the special
    tokens that the tokenizer puts before a text. Those that it puts after a text, such as </s>,
    would end the prompt before the answer. An answer is tokenised by itself and appended, so its
    tokens do not depend on the prompt. Some tokenizers, such as Llama 2's, put a space before a
    text: it is left out if the chat template ends in a line break. An empty prompt becomes one
    beginning-of-text (or end-of-text) token, if the tokenizer adds none.
    """

    name: str
    _tokenizer: Any
    _chat: ChatOptions
    _max_tokens: int | None
    # Whether a chat template ends with the start of the assistant's answer.
    _opens_answer = True

    @property
    def max_tokens(self) -> int | None:
        """The context length in tokens; None if there is no limit."""
        return self._max_tokens

    def _check_chat(self) -> None:
        variables = self._chat.chat_template_kwargs
        if self._template is None:
            check_no_variables(variables, self.name)
        elif variables:
            ChatTemplate(self._template, self.name).check(variables)

    @property
    def _template(self) -> str | None:
        """The chat template; None if there is none."""
        return self._default(self._tokenizer.chat_template)

    @staticmethod
    def _default(template: Any) -> str | None:
        """The default one of several named templates."""
        return (template.get("default") if isinstance(template, dict) else template) or None

    @functools.cached_property
    def notes(self) -> tuple[str, ...]:
        """Notes for reports on the chat template, a sentence each."""
        try:
            start = self._prompt_text(Prompt((Message("user", "a"),)))
        except ArgumentError:  # the template rejects this chat
            start = None
        return notes_on(self._template, start)

    def answer_ids(self, answer: str) -> list[int]:
        """The numbers of an answer's tokens."""
        return self._encode_answers([answer])[0]

    def answer_tokens(self, answer: str) -> list[tuple[int, int]]:
        """See `LanguageModel.answer_tokens`."""
        if not self._tokenizer.is_fast:
            raise ArgumentError(
                f"the tokenizer of {self.name!r} does not give the positions of its tokens, so no "
                "part of an answer can be scored; use span=None"
            )
        begun, tokens = self._before_answers
        encoding = self._tokenizer(
            begun + answer, add_special_tokens=False, return_offsets_mapping=True
        )
        spans = np.array(encoding["offset_mapping"][len(tokens) :]) - len(begun)
        return [(max(0, int(start)), int(stop)) for start, stop in spans]

    def count_tokens(self, prompts: Sequence[Prompt]) -> list[int]:
        """The number of tokens of each prompt, with its chat template."""
        return [len(tokens) for tokens in self._encode_prompts(prompts)]

    def _encode(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Tokens of the prompts and the answers, checked to fit the context together."""
        answer_tokens = self._encode_answers(answers)
        prompt_tokens = self._encode_prompts(prompts)
        self._check_lengths(prompt_tokens, answer_tokens)
        return prompt_tokens, answer_tokens

    def _encode_answers(self, answers: Sequence[str]) -> list[list[int]]:
        answer_tokens = [self._encode_answer(answer) for answer in answers]
        for answer, tokens in zip(answers, answer_tokens, strict=True):
            if not tokens:
                raise ArgumentError(f"the answer {answer!r} has no tokens; give a longer one")
        return answer_tokens

    def _encode_answer(self, answer: str) -> list[int]:
        begun, tokens = self._before_answers
        return self._tokenize(begun + answer, special=False)[len(tokens) :]

    @functools.cached_property
    def _before_answers(self) -> tuple[str, list[int]]:
        """The text before answers, and its tokens; see `start_of_answers`."""
        try:
            start = self._prompt_text(Prompt((Message("user", "a"),)))
        except ArgumentError:  # the template rejects this chat
            start = ""
        begun = start if self._tokenizer.chat_template else ""
        return start_of_answers(begun, functools.partial(self._tokenize, special=False))

    def _check_lengths(self, prompts: list[list[int]], answers: list[list[int]]) -> None:
        longest = max((len(tokens) for tokens in answers), default=0)
        for number, tokens in enumerate(prompts):
            self._check_length(number, len(tokens), longest)

    def _check_length(self, number: int, n_prompt: int, n_answer: int) -> None:
        if self._max_tokens is not None and n_prompt + n_answer > self._max_tokens:
            with_answer = f", {n_prompt + n_answer} with its answer" if n_answer else ""
            raise ArgumentError(
                f"prompt {number} has {n_prompt} tokens{with_answer}, "
                f"but the context of {self.name!r} is {self._max_tokens}; shorten the text or use "
                "a model with a longer context"
            )

    def _encode_prompts(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        return [self._encode_prompt(prompt) or [self._start_token()] for prompt in prompts]

    def _encode_prompt(self, prompt: Prompt) -> list[int]:
        text = self._prompt_text(prompt)
        if self._tokenizer.chat_template:  # the template writes the special tokens itself
            return self._tokenize(text, special=False)
        return self._encode_text(text)

    def _prompt_text(self, prompt: Prompt) -> str:
        """A prompt up to the answer."""
        return self._rendered(prompt) + self._chat.begun(prompt)

    def _rendered(self, prompt: Prompt) -> str:
        """A prompt by the chat template, or else joined."""
        if self._tokenizer.chat_template:
            return self._apply_template(prompt)
        return without_template(prompt)

    def _encode_text(self, text: str) -> list[int]:
        """The tokens of a prompt without a chat template."""
        before, _ = self._added_tokens
        return [*before, *self._tokenize(text, special=False)]

    @functools.cached_property
    def _added_tokens(self) -> tuple[list[int], list[int]]:
        """The special tokens that the tokenizer adds before a text and after it."""
        text = self._tokenize("a", special=False)
        whole = self._tokenize("a", special=True)
        return added_tokens(text, whole)

    def _tokenize(self, text: str, special: bool) -> list[int]:
        # verbose=False: the length is checked elsewhere, against the model.
        encoding = self._tokenizer(text, add_special_tokens=special, verbose=False)
        return list(encoding["input_ids"])

    def _apply_template(self, prompt: Prompt) -> str:
        try:
            rendered = self._tokenizer.apply_chat_template(
                template_messages(prompt, str(self._tokenizer.chat_template)),
                add_generation_prompt=self._opens_answer,
                tokenize=False,
                **self._chat.chat_template_kwargs,
            )
        except Exception as error:  # a template may raise anything, such as "no system role"
            raise ArgumentError(refusal(self.name, error)) from error
        check_calls(self.name, prompt, rendered)
        return str(rendered)

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """Texts that the tokenizer reads as control tokens wherever they stand."""
        return tuple(map(str, self._tokenizer.all_special_tokens))

    def _start_token(self) -> int:
        for token in (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id):
            if token is not None:
                return int(token)
        raise ArgumentError(no_start(self.name))
