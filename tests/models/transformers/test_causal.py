"""HuggingFaceModel on tiny random models, against plain transformers code, one row at a time."""

import functools
import logging
import shutil
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from spex import LogOdds, LogProb, Messages, Text, ValueFunction
from spex.errors import ArgumentError, BackendError, MissingExtraError
from spex.models import Message, Prompt, load
from spex.models.transformers.causal import HuggingFaceModel
from spex.models.transformers.prefixes.attention import TreeAttention

ANSWERS = [" no", "yes", "ye", " no, not at all", "é"]
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}"
    "{% endif %}<s>{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}>{% endif %}"
)


def user(text):
    return Prompt((Message("user", text),))


PROMPTS = [user(text) for text in ("a", "so no", "", "a longer prompt, no?", "a", "bb")]


@functools.cache
def plain_transformers(folder):
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return tokenizer, model.eval()


def reference(folder, text, answer):
    """Token log-probabilities with plain transformers: no padding, no batch, no cache."""
    import torch

    tokenizer, model = plain_transformers(folder)
    prompt = tokenizer(text)["input_ids"] or [tokenizer.bos_token_id]
    tokens = tokenizer(answer, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([prompt + tokens])).logits[0].double()
    log_probs = logits.log_softmax(-1)
    return [log_probs[len(prompt) - 1 + i, token].item() for i, token in enumerate(tokens)]


@pytest.fixture
def forwards(tiny):
    """The shapes of the batches that went through the tiny model."""
    shapes = []
    tiny._model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)),
        with_kwargs=True,
    )
    return shapes


@pytest.mark.slow
@pytest.mark.parametrize("token_budget", [5, 4096])
@pytest.mark.parametrize(
    ("architecture", "shares_prefixes"),
    [
        ("llama", True),
        ("gpt2", True),
        ("qwen3", True),
        ("gpt_neox", True),
        ("opt", True),
        ("roberta", False),
        ("mistral-window", True),
        ("gemma3_text", True),
        ("gpt_neo", False),
        ("bloom", False),
        ("mamba", False),
    ],
)
def test_log_probs_are_those_of_one_row_at_a_time(
    tmp_path, save_tiny_model, architecture, shares_prefixes, token_budget
):
    folder = save_tiny_model(tmp_path, architecture, is_decoder=True)
    model = HuggingFaceModel(folder, device="cpu", token_budget=token_budget)
    assert model.shares_prefixes == shares_prefixes
    check_log_probs(model, folder, PROMPTS, ANSWERS)
    masker = Text("so no a bb no", prompt="is {input} so?")
    masks = [[mask >> bit & 1 for bit in range(5)] for mask in range(0, 32)]
    check_log_probs(model, folder, [masker.render(mask) for mask in masks], ANSWERS[2:4])


def check_log_probs(model, folder, prompts, answers):
    scored = dict(model.log_probs(prompts, answers))
    assert sorted(scored) == list(range(len(prompts)))
    for number, prompt in enumerate(prompts):
        for answer, values in zip(answers, scored[number], strict=True):
            assert values.dtype == np.float64
            np.testing.assert_allclose(values, reference(folder, prompt.text, answer), atol=1e-3)
            assert len(values) == len(model.answer_tokens(answer))


def test_prefixes_are_not_shared_where_the_comparison_fails(tiny, monkeypatch):
    # Positions of its own counting: what is next to each other in the tree need not be in a prompt.
    forward = tiny._model.forward
    monkeypatch.setattr(
        tiny._model,
        "forward",
        lambda position_ids=None, **inputs: forward(**inputs),
    )
    assert not tiny.shares_prefixes


@pytest.mark.parametrize("window", [2, 3, 5, None])
def test_prefixes_are_shared_only_with_the_right_window(
    save_tiny_model, tmp_path, monkeypatch, window
):
    model = HuggingFaceModel(save_tiny_model(tmp_path, "mistral-window"))
    config = model._model.config
    right = TreeAttention.of(config)
    assert right.windows == {"sliding_attention": 4}
    monkeypatch.setattr(
        TreeAttention, "with_window", lambda self, _: replace(self, windows={"all": window})
    )
    # It is tried with a window of 3.
    assert model.shares_prefixes == (window == 3)
    assert config.sliding_window == 4


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_prefixes_are_shared_in_half_precision(tiny_folder, monkeypatch, dtype):
    model = HuggingFaceModel(tiny_folder, device="cpu", dtype=dtype)
    before = {name: value.clone() for name, value in model._model.state_dict().items()}
    assert {str(value.dtype) for value in before.values()} == {f"torch.{dtype}"}
    seen = []
    forward = model._model.forward
    monkeypatch.setattr(
        model._model,
        "forward",
        lambda **inputs: seen.append(str(model._model.dtype)) or forward(**inputs),
    )
    assert model.shares_prefixes
    assert set(seen) == {"torch.float32"}
    for name, value in model._model.state_dict().items():
        assert value.dtype == before[name].dtype
        assert value.equal(before[name])


def test_without_room_for_float32_nothing_is_made_larger(tiny_folder, monkeypatch):
    psutil = pytest.importorskip("psutil")
    model = HuggingFaceModel(tiny_folder, device="cpu", dtype="bfloat16")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    seen = []
    model._model.register_forward_pre_hook(lambda module, _: seen.append(str(module.dtype)))
    assert isinstance(model.shares_prefixes, bool)
    assert set(seen) == {"torch.bfloat16"}


def test_layers_that_keep_something_else_share_no_prefixes():
    transformers = pytest.importorskip("transformers")
    llama = dict(num_hidden_layers=2, hidden_size=32, num_attention_heads=4)
    chunked = transformers.AutoConfig.for_model("llama4_text", **llama, attention_chunk_size=4)
    recurrent = transformers.AutoConfig.for_model("qwen3_next", **llama)
    plain = transformers.AutoConfig.for_model("llama", **llama)
    assert TreeAttention.of(chunked) is TreeAttention.of(recurrent) is None
    assert TreeAttention.of(plain).windows == {"full_attention": None}


def test_prefixes_are_not_shared_where_masks_of_four_dimensions_are_refused(tiny, monkeypatch):
    forward = tiny._model.forward

    def refuse(attention_mask=None, **inputs):
        if attention_mask is not None and attention_mask.ndim > 2:
            raise ValueError("attention_mask has the wrong shape")
        return forward(attention_mask=attention_mask, **inputs)

    monkeypatch.setattr(tiny._model, "forward", refuse)
    assert not tiny.shares_prefixes
    assert len(dict(tiny.log_probs(PROMPTS, ANSWERS))) == len(PROMPTS)


@pytest.mark.parametrize("share", [True, False])
def test_values_do_not_depend_on_the_other_prompts(tiny, share):
    tiny.shares_prefixes = share
    together = dict(tiny.log_probs(PROMPTS, ANSWERS))
    for number, prompt in enumerate(PROMPTS):
        ((_, alone),) = tiny.log_probs([prompt], ANSWERS)
        for one, other in zip(alone, together[number], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_each_token_of_the_prefix_tree_goes_through_the_model_once(tiny, forwards):
    assert tiny.shares_prefixes
    del forwards[:]
    prompts = [user(text) for text in ("abc", "abd", "abcde", "abc", "b")]
    dict(tiny.log_probs(prompts, ["a", "b", "xyz"]))
    # abcde, d, b, and the beginnings "x", "xy" of the long answer after each distinct prompt.
    assert forwards == [(1, 5 + 1 + 1 + 4 * 2)]


def test_without_sharing_answers_of_one_token_cost_one_row_per_distinct_prompt(tiny, forwards):
    tiny.shares_prefixes = False
    dict(tiny.log_probs(PROMPTS, ["a", "b", "c"]))
    assert sum(rows for rows, _ in forwards) == len({prompt.text for prompt in PROMPTS})


@pytest.mark.parametrize("share", [True, False])
def test_results_come_with_each_batch(tiny_folder, share):
    model = HuggingFaceModel(tiny_folder, token_budget=1)
    model.shares_prefixes = share
    calls = []
    model._model.register_forward_pre_hook(lambda module, args: calls.append(1))
    results = model.log_probs(PROMPTS, ["a"])
    assert not calls
    number, _ = next(results)
    # The tree begins with the empty prompt, its start token; else the longest prompt is first.
    assert (number, len(calls)) == (2 if share else 3, 1)


def test_nothing_is_padded_to_the_longest_of_the_run(tiny_folder):
    model = HuggingFaceModel(tiny_folder, token_budget=30)
    model.shares_prefixes = False
    shapes = []
    model._model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)),
        with_kwargs=True,
    )
    dict(model.log_probs([user(x) for x in ("x" * 30, "abc", "bcd", "x" * 29, "cde")], ["a"]))
    assert shapes == [(1, 30), (1, 29), (3, 3)]


@pytest.mark.parametrize("share", [True, False])
def test_where_memory_runs_out_batches_are_halved(tiny, monkeypatch, share):
    import torch

    tiny.shares_prefixes = share
    expected = dict(tiny.log_probs(PROMPTS, ANSWERS))
    sizes = []
    forward = tiny._model.forward

    def limited(limit):
        def forward_within_limit(input_ids, **inputs):
            sizes.append(input_ids.numel())
            if input_ids.numel() > limit:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return forward(input_ids=input_ids, **inputs)

        return forward_within_limit

    monkeypatch.setattr(tiny._model, "forward", limited(40))
    halved = dict(tiny.log_probs(PROMPTS, ANSWERS))
    assert max(sizes) > 40
    assert sum(size > 40 for size in sizes) < 4  # what follows is halved too, untried
    for number, of_prompt in expected.items():
        for one, other in zip(of_prompt, halved[number], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    monkeypatch.setattr(tiny._model, "forward", limited(0))
    with pytest.raises(BackendError, match="ran out of memory"):
        list(tiny.log_probs(PROMPTS, ANSWERS))


def test_an_answer_that_does_not_fit_is_refused_before_any_forward_pass(tiny, forwards):
    fits, too_long = user("x" * 60), user("x" * 61)
    message = "prompt 1 has 61 tokens, 65 with its answer, but the context of .* is 64; shorten"
    for refuse in (tiny.check_prompts, tiny.log_probs):
        with pytest.raises(ArgumentError, match=message):
            refuse([fits, too_long], ["aaaa"])
    with pytest.raises(ArgumentError, match="context"):
        tiny.generate([user("x" * 64)])
    with pytest.raises(ArgumentError, match="context"):
        ValueFunction(Text("a " * 32 + "a"), tiny)
    assert forwards == []
    assert len(dict(tiny.log_probs([fits], ["aaaa"]))) == 1


def test_masked_prompts_that_grow_too_long_are_refused_before_any_forward_pass(tiny, forwards):
    # Longest with the short words replaced and the long one kept; the extremes both fit.
    text = Text("a a a " + "b" * 25, operator="mask:" + "x" * 10, prompt="q" * 10 + "{input}")
    value = ValueFunction(text, tiny, LogOdds("a", "b"))
    with pytest.raises(ArgumentError, match="prompt 1 has 68 tokens, 69 with its answer"):
        value([[1, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]])
    assert forwards == []


def test_positions_that_belong_to_padding_are_not_counted(tmp_path, save_tiny_model):
    model = HuggingFaceModel(save_tiny_model(tmp_path, "roberta", is_decoder=True))
    assert model.max_tokens == 64
    ((_, (values,)),) = model.log_probs([user("x" * 60)], ["yyyy"])
    assert np.isfinite(values).all()
    with pytest.raises(ArgumentError, match=r"prompt 0 has 61 tokens, 65 with .* 64;"):
        model.check_prompts([user("x" * 61)], ["yyyy"])
    model._max_tokens = None  # as with a configuration that says nothing
    with pytest.raises(BackendError, match="failed on a text of 70 tokens: index"):
        list(model.log_probs([user("x" * 70)], ["a"]))


def test_an_answer_without_tokens_is_refused(tiny):
    with pytest.raises(ArgumentError, match="the answer '' has no tokens"):
        tiny.log_probs(PROMPTS, ["a", ""])


def greedy_by_hand(model, text, n_tokens):
    import torch

    tokens = model._tokenizer(text)["input_ids"]
    start = len(tokens)
    for _ in range(n_tokens):
        with torch.no_grad():
            token = int(model._model(torch.tensor([tokens])).logits[0, -1].argmax())
        if token == 1:
            break
        tokens.append(token)
    return model._tokenizer.decode(tokens[start:])


def test_generate_is_greedy_whatever_the_checkpoint_asks_for(tiny):
    import torch

    tiny._model.generation_config.update(do_sample=True, temperature=9.0, repetition_penalty=5.0)
    state = torch.random.get_rng_state()
    texts = ["so no", "a longer prompt"]
    assert tiny.generate([user(text) for text in texts], 12) == [
        greedy_by_hand(tiny, text, 12) for text in texts
    ]
    assert torch.equal(state, torch.random.get_rng_state())


def test_generate_stops_at_the_end_token(tiny):
    prompt = user("so no")
    tokens, values = tiny._network.continued(
        "input_ids", tiny._encode_prompts([prompt])[0], 6, set()
    )
    assert len(values) == 6
    assert tiny.generate([prompt], 6)[0].cut_off
    tiny._model.generation_config.eos_token_id = [1, tokens[2]]
    first = tokens.index(tokens[2])
    (reply,) = tiny.generate([prompt], 6)
    assert reply == tiny._tokenizer.decode(tokens[:first])
    assert not reply.cut_off


def test_generate_stops_at_the_end_of_the_context(tiny, forwards):
    tiny._model.generation_config.eos_token_id = None
    tiny._tokenizer.eos_token = None
    assert tiny.shares_prefixes
    del forwards[:]
    (reply,) = tiny.generate([user("x" * 60)], 50)
    assert len(forwards) == 4
    assert reply.cut_off
    with pytest.raises(ArgumentError, match="max_new_tokens=0"):
        tiny.generate([user("x")], 0)


def test_without_a_chat_template_messages_are_joined_by_blank_lines(tiny):
    prompt = Prompt((Message("system", "S"), Message("user", "U")))
    joined = dict(tiny.log_probs([prompt, user("S\n\nU")], [" no"]))
    np.testing.assert_array_equal(joined[0][0], joined[1][0])


def test_with_a_chat_template(tiny):
    plain = dict(tiny.log_probs([user("<s>U</s>>")], [" no"]))
    tiny._tokenizer.chat_template = TEMPLATE
    chat = dict(tiny.log_probs([user("U")], [" no"]))
    np.testing.assert_array_equal(plain[0][0], chat[0][0])
    with pytest.raises(ArgumentError, match="refuses the messages: no system role"):
        tiny.check_prompts([Prompt((Message("system", "S"), Message("user", "U")))], [])


def test_special_tokens_are_added_to_plain_prompts_only(tiny):
    from tokenizers.processors import TemplateProcessing

    tiny._tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    assert tiny._encode([user("ab")], ["ab"]) == (
        [[0, *tiny._tokenize("ab", False)]],
        [tiny._tokenize("ab", False)],
    )
    tiny._tokenizer.chat_template = TEMPLATE
    assert tiny._encode_prompts([user("a")])[0].count(0) == 1


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize(("special", "before"), [("<s> $A </s>", [0]), ("$A </s>", [])])
def test_answers_follow_the_prompt_not_its_end(tmp_path, save_tiny_model, special, before, share):
    import torch

    folder = save_tiny_model(tmp_path, special=special)
    model = HuggingFaceModel(folder, device="cpu")
    model.shares_prefixes = model.shares_prefixes and share
    tokenizer, plain = plain_transformers(folder)
    scored = dict(model.log_probs(PROMPTS, ANSWERS))
    for number, prompt in enumerate(PROMPTS):
        tokens = [*before, *tokenizer(prompt.text, add_special_tokens=False)["input_ids"]] or [0]
        assert model.count_tokens([prompt]) == [len(tokens)]
        for answer, values in zip(ANSWERS, scored[number], strict=True):
            of_answer = tokenizer(answer, add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                logits = plain(torch.tensor([tokens + of_answer])).logits[0, len(tokens) - 1 : -1]
            expected = logits.log_softmax(-1)[range(len(of_answer)), of_answer]
            np.testing.assert_allclose(values, expected, atol=1e-3)
    with torch.no_grad():
        start = [*before, *tokenizer("so no", add_special_tokens=False)["input_ids"]]
        first = int(plain(torch.tensor([start])).logits[0, -1].argmax())
    assert model.generate([user("so no")], 1) == [tokenizer.decode([first])]
    model._tokenizer.chat_template = TEMPLATE
    assert model._encode_prompts([user("a")])[0][-1] != 1


def test_an_empty_prompt_without_a_start_token_is_refused(tiny):
    tiny._tokenizer.bos_token = tiny._tokenizer.eos_token = None
    with pytest.raises(ArgumentError, match="no token to begin a text with"):
        ValueFunction(Text("a b"), tiny, LogOdds("a", "b"))


def test_spans_of_the_answer(tiny):
    assert tiny.answer_tokens("é no") == [(0, 1), (0, 1), (1, 4)]
    prompt = user("so")
    whole = dict(tiny.log_probs([prompt], ["é no"]))[0][0]
    text = Text("so what")
    assert ValueFunction(text, tiny, LogProb("é no", span="é"))([[1, 0]])[0] == pytest.approx(
        whole[:2].sum(), abs=1e-6
    )
    assert ValueFunction(text, tiny, LogProb("é no", span="o", reduce="mean"))([[1, 0]])[
        0
    ] == pytest.approx(whole[2], abs=1e-6)


def test_identity_changes_with_weights_tokenizer_and_precision_only(
    tmp_path, save_tiny_model, tiny_folder
):
    def identity(folder, **options):
        return HuggingFaceModel(folder, **options).identity

    same = shutil.copytree(tiny_folder, tmp_path / "same")
    (same / "README.md").write_text("read me")
    weights = save_tiny_model(tmp_path / "weights", seed=1)
    tokenizer = shutil.copytree(tiny_folder, tmp_path / "tokenizer")
    (tokenizer / "chat_template.jinja").write_text(TEMPLATE)
    assert identity(tiny_folder) == identity(same, name="other", token_budget=1)
    others = [
        identity(tiny_folder),
        identity(weights),
        identity(tokenizer),
        identity(tiny_folder, dtype="bfloat16"),
    ]
    assert len(set(others)) == 4
    assert others[0].endswith(";dtype=float32")


def test_half_precision_is_scored_in_float32(tiny_folder):
    model = HuggingFaceModel(tiny_folder, dtype="bfloat16")
    exact = reference(tiny_folder, "so", "yes")
    np.testing.assert_allclose(dict(model.log_probs([user("so")], ["yes"]))[0][0], exact, atol=0.5)


def test_loading_is_silent_and_leaves_the_logging_as_it_was(tiny_folder, capfd):
    from huggingface_hub.utils import are_progress_bars_disabled
    from transformers.utils import logging as transformers_logging

    before = (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
        are_progress_bars_disabled(),
        logging.getLogger().handlers[:],
        logging.getLogger("huggingface_hub").level,
    )
    load(f"hf:{tiny_folder}").generate([user("x")], 1)
    assert capfd.readouterr() == ("", "")
    assert before == (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
        are_progress_bars_disabled(),
        logging.getLogger().handlers,
        logging.getLogger("huggingface_hub").level,
    )


def test_a_folder_that_is_not_there_or_holds_no_model(tmp_path):
    with pytest.raises(BackendError, match="neither a folder nor a name on the Hugging Face hub"):
        load(f"hf:{tmp_path}/missing")
    with pytest.raises(BackendError, match="there is no config") as caught:
        load(f"hf:{tmp_path}")
    assert "\n" not in str(caught.value)


class Unreachable:
    def model_info(self, name, timeout):
        assert timeout <= 10
        raise ConnectionError("Name or service not known")


def test_an_unreachable_hub_fails_at_once(monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi", Unreachable)
    start = time.monotonic()
    with pytest.raises(BackendError, match=r"cannot be reached \(Name or service not known\)"):
        load("hf:nobody/nothing")
    assert time.monotonic() - start < 10


def test_an_unreachable_hub_leaves_what_was_fetched_earlier(monkeypatch, tmp_path, tiny_folder):
    commit = "0123456789abcdef"
    snapshot = shutil.copytree(tiny_folder, tmp_path / commit)
    monkeypatch.setattr("huggingface_hub.HfApi", Unreachable)
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda name, local_files_only: str(snapshot)
    )
    model = load("hf:somebody/something")
    assert model.name == "hf:somebody/something"
    assert model.identity == f"hf:somebody/something@{commit};dtype=float32"


def test_wrong_options(tiny_folder):
    with pytest.raises(ArgumentError, match="dtype='int8' is unknown; use 'float32'"):
        HuggingFaceModel(tiny_folder, dtype="int8")
    with pytest.raises(ArgumentError, match="device='quantum' is unknown"):
        HuggingFaceModel(tiny_folder, device="quantum")
    with pytest.raises(ArgumentError, match="token_budget=0"):
        HuggingFaceModel(tiny_folder, token_budget=0)


def test_a_failing_forward_pass_is_a_backend_error(tiny, monkeypatch):
    def fail(**inputs):
        raise RuntimeError("broken\nkernel")

    monkeypatch.setattr(tiny._model, "forward", fail)
    with pytest.raises(BackendError, match=r"failed: broken$"):
        list(tiny.log_probs(PROMPTS, ["a"]))


@pytest.mark.parametrize("module", ["torch", "transformers"])
def test_a_missing_package_is_named_with_its_extra(tiny_folder, monkeypatch, module):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"{module} .*pip install 'spex-explain\[hf\]'"):
        HuggingFaceModel(tiny_folder)


def test_tokens_of_prompts_are_counted(tiny, tiny_folder):
    tokenizer, _ = plain_transformers(tiny_folder)
    expected = [len(tokenizer(prompt.text)["input_ids"]) or 1 for prompt in PROMPTS]
    assert tiny.count_tokens(PROMPTS) == expected


def test_units_are_the_tokens_of_the_model(tiny, tiny_folder):
    tokenizer, _ = plain_transformers(tiny_folder)
    text = "so no, not at all"
    value = ValueFunction(Text(text, unit="token"), tiny, LogProb("yes"))
    tokens = [tokenizer.decode([token]).strip() for token in tokenizer(text)["input_ids"]]
    assert list(value.features) == [token for token in tokens if token]
    assert value([[1] * value.n_features]).shape == (1,)


def test_masked_chats_suit_templates_that_want_the_roles_to_alternate(tiny):
    tiny._tokenizer.chat_template = (
        "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('roles must alternate') }}{% endif %}<s>{{ m.content }}</s>"
        "{% endfor %}{% if add_generation_prompt %}>{% endif %}"
    )
    chat = [("user", "a b"), ("assistant", "so"), ("user", "no")]
    masker = Messages([{"role": role, "content": content} for role, content in chat])
    value = ValueFunction(masker, tiny, LogProb("yes"))
    masks = np.array([[i >> j & 1 for j in range(3)] for i in range(8)], dtype=bool)
    assert np.isfinite(value(masks)).all()
    with pytest.raises(ArgumentError, match="roles must alternate"):
        ValueFunction(Messages([dict(role="user", content=c) for c in "ab"]), tiny, LogProb("yes"))


@pytest.mark.parametrize("kv_heads", [6, 2])
def test_attention_in_blocks_is_attention(kv_heads):
    torch = pytest.importorskip("torch")
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    from spex.models.transformers.prefixes import blockwise
    from spex.models.transformers.prefixes.prefix_tree import plan_tree

    rng = np.random.default_rng(0)
    tree = plan_tree(rng.integers(0, 2, size=(60, 9)).tolist(), [[1, 2]])
    nodes = range(20, len(tree.tokens))
    visible = torch.from_numpy(tree.visible(nodes))
    assert len(nodes) > 200
    bias = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
    torch.manual_seed(0)
    query = torch.randn(1, 6, visible.shape[0], 8)
    key, value = torch.randn(2, 1, kv_heads, visible.shape[1], 8)
    module = torch.nn.Module()
    module.num_key_value_groups = 6 // kv_heads
    found, expected = (
        ALL_ATTENTION_FUNCTIONS[name](module, query, key, value, bias[None, None], scaling=0.3)[0]
        for name in (blockwise.register(), "sdpa")
    )
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_prefix_tree_on_a_cpu_is_attended_to_in_blocks(tiny_folder):
    model = HuggingFaceModel(tiny_folder)
    assert model.shares_prefixes
    assert model._model.config._attn_implementation == "spex_blockwise"
    asked = HuggingFaceModel(tiny_folder, attn_implementation="sdpa")
    assert asked.shares_prefixes
    assert asked._model.config._attn_implementation == "sdpa"
