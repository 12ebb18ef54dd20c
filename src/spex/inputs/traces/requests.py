"""Saved requests to a model: what they hold of a chat, whichever interface they were made for."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from spex.errors import ArgumentError

_MESSAGES = ("messages", "input")
_SYSTEM = ("system", "instructions")
_TOOLS = ("tools", "functions")
# These stand for messages on the server, which the explained input would lack.
_ON_THE_SERVER = ("previous_response_id", "conversation", "prompt")
# Ignored keys: settings of the request, and data of the response other than the answer.
_ASIDE = frozenset(
    # Chat Completions of OpenAI, and its answers
    """
    audio choices created frequency_penalty function_call id logit_bias logprobs
    max_completion_tokens max_tokens metadata modalities model moderation n object
    parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_options
    prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop
    store stream stream_options system_fingerprint temperature tool_choice top_logprobs top_p usage
    user verbosity web_search_options
    """
    # Responses of OpenAI, and its answers
    """
    access_programs background background_options completed_at context_management created_at error
    image include incomplete_details input_transformations max_output_tokens max_tool_calls output
    prompt_cache_diagnostics reasoning status text tool_usage truncation
    """
    # Messages of Anthropic
    """
    anthropic_version betas cache_control container diagnostics inference_geo output_config speed
    stop_sequences thinking top_k user_profile_id workspace_id
    """
    # vLLM, SGLang, llama.cpp and Ollama
    """
    add_generation_prompt chat_template_kwargs extra_body format ignore_eos keep_alive min_p
    min_tokens options repetition_penalty skip_special_tokens think
    """
    # Arguments of the clients openai and anthropic
    """
    extra_headers extra_query timeout
    """
    # Logs of AgentDojo
    """
    agentdojo_package_version attack_type benchmark_version duration evaluation_timestamp
    injection_task_id injections pipeline_name security suite_name user_task_id utility
    """.split()
)


def read_request(body: Mapping[str, Any], where: str, also: Collection[str] = ()) -> dict[str, Any]:
    """The chat in a saved request, under the keys "messages", "system" and "tools".

    Args:
        body: the body of a request, perhaps with the answer beside it ("choices" or "output"), or
            {"request": ..., "response": ...}.
        where: names the body in messages.
        also: other keys that it may have, which are returned as they are.

    Returns:
        A body that is read as the same again.

    Raises:
        ArgumentError: it holds no messages, not all of them, or unknown keys.
    """
    pair = {key: _mapping(body[key], key, where) for key in ("request", "response") if key in body}
    rest = {key: value for key, value in body.items() if key not in pair}
    given = {k: v for k, v in ({**pair.get("request", {}), **rest}).items() if v is not None}
    valid = (*_MESSAGES, *_SYSTEM, *_TOOLS, *also)
    unknown = sorted(repr(key) for key in given if key not in {*valid, *_ON_THE_SERVER, *_ASIDE})
    if unknown:
        raise ArgumentError(
            f"{where}: has the unknown key{'s' * (len(unknown) > 1)} {', '.join(unknown)}; use "
            f"{', '.join(map(repr, valid))}; settings of a request, such as 'model', are ignored"
        )
    for key in _ON_THE_SERVER:
        if key in given:
            raise ArgumentError(
                f"{where}: has {key!r}, which stands for messages on the server; leave it out, and "
                "give these messages, too"
            )
    messages = _one_of(given, _MESSAGES, where)
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if not isinstance(messages, list | tuple):
        raise ArgumentError(
            f"{where}: holds no list of messages; write a list, or an object with the key "
            "'messages' (a response alone does not tell what was asked)"
        )
    answer = _answer(pair.get("response", given))
    if "response" in pair and not answer:
        raise ArgumentError(f"{where}: its 'response' holds no message of the assistant")
    return {
        "messages": [*messages, *answer],
        "system": _one_of(given, _SYSTEM, where),
        "tools": _one_of(given, _TOOLS, where),
        **{key: given[key] for key in also if key in given},
    }


def _mapping(value: object, key: str, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ArgumentError(f"{where}: its {key!r} is a {type(value).__name__}; give an object")
    return value


def _one_of(given: Mapping[str, Any], names: Sequence[str], where: str) -> Any:
    found = [name for name in names if name in given]
    if len(found) > 1:
        raise ArgumentError(f"{where}: has {' and '.join(map(repr, found))}; leave one out")
    return given[found[0]] if found else None


def _answer(response: Mapping[str, Any]) -> list[Any]:
    """The messages or items of an answer; none if there is no answer."""
    choices, output = response.get("choices"), response.get("output")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        return [choices[0].get("message")]
    if isinstance(output, list):
        return output
    return [response] if response.get("role") == "assistant" else []
