"""Models for the tests: tiny ones with random weights, SmolLM2, and stand-ins for servers."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from spex.models import load

_LLAMA = dict(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
)
_GPT2 = dict(n_embd=32, n_layer=2, n_head=4, n_positions=64)
# Sizes in the words of each architecture.
_TINY = {
    "llama": _LLAMA,
    "gpt2": _GPT2,
    "qwen3": dict(_LLAMA, head_dim=8),
    # The last of six layers sees all, the others a window.
    "gemma3_text": dict(
        _LLAMA,
        num_hidden_layers=7,
        head_dim=8,
        query_pre_attn_scalar=8,
        sliding_window=8,
        max_position_embeddings=256,
        pad_token_id=None,
    ),
    "gpt_neox": dict(_LLAMA, num_key_value_heads=4),
    "opt": dict(_LLAMA, ffn_dim=64, word_embed_proj_dim=32),
    "mistral-window": dict(_LLAMA, sliding_window=4),
    "gpt_neo": dict(
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        attention_types=[[["global", "local"], 1]],
        window_size=4,
        max_position_embeddings=64,
    ),
    "bloom": dict(hidden_size=32, n_layer=2, n_head=4),
    "t5": dict(
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
        feed_forward_proj="gated-gelu",
    ),
    "bart": dict(
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=64,
        decoder_start_token_id=1,
    ),
    "bert": dict(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    ),
    # Positions begin after that of the padding token, so two fewer are left than it says.
    "roberta": dict(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=66,
        pad_token_id=1,
    ),
    "mamba": dict(hidden_size=32, num_hidden_layers=2, state_size=4),
}


def _save_tiny_model(
    folder: Path,
    architecture: str = "llama",
    seed: int = 0,
    auto_class: str = "AutoModelForCausalLM",
    special: str | None = None,
    pair: str | None = None,
    **options: object,
) -> Path:
    """Save a random model of 64 positions with a tokenizer of single bytes and a few words.

    Args:
        special: where the tokenizer puts <s> and </s>, such as "<s> $A </s>".
        pair: the same for two texts, such as "<s> $A </s> $B:1 </s>:1".
    """
    import tokenizers
    import torch
    import transformers
    from tokenizers import decoders, pre_tokenizers, processors
    from tokenizers.models import BPE

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {
        token: number for number, token in enumerate(["<s>", "</s>", *alphabet, "Ġn", "Ġno"])
    }
    tokenizer = tokenizers.Tokenizer(BPE(vocabulary, [("Ġ", "n"), ("Ġn", "o")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if special is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=special, pair=pair, special_tokens=[("<s>", 0), ("</s>", 1)]
        )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    # The state of the generator is put back: other tests may depend on it.
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = transformers.AutoConfig.for_model(
            architecture.removesuffix("-window"),
            vocab_size=len(vocabulary),
            **{
                "initializer_range": 0.5,
                "bos_token_id": 0,
                "eos_token_id": 1,
                **_TINY[architecture],
                **options,
            },
        )
        model = getattr(transformers, auto_class).from_config(config)
    if architecture == "bart":
        model.generation_config.forced_bos_token_id = 0  # as its checkpoints have it
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def save_tiny_model():
    return _save_tiny_model


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    return _save_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def tiny(tiny_folder):
    return load(f"hf:{tiny_folder}")


@pytest.fixture(scope="session")
def smollm2():
    return load("smollm2")


_TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="session")
def local(tmp_path_factory):
    """A random network with 512 positions and its tokenizer with a chat template, by transformers.

    It writes plain letters, and no halves of characters.
    """
    import torch
    import transformers

    folder = _save_tiny_model(tmp_path_factory.mktemp("served"), max_position_embeddings=512)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = _TEMPLATE
    network = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    plain = [tokenizer.decode([one]).isascii() and one > 1 for one in range(len(tokenizer))]
    with torch.no_grad():
        network.lm_head.weight[~torch.tensor(plain)] = 0
    return network, tokenizer


@pytest.fixture
def server(local):
    """Starts a stand-in of a kind, with that model; its `name` is for `spex.models.load`."""
    from models.served import MODEL, serving

    with ExitStack() as stack:

        def of_kind(kind, prefix=None, **options):
            served = stack.enter_context(serving(kind, *local, **options))
            prefix = prefix or ("sglang" if kind == "sglang" else "openai")
            at = served.url if prefix == "sglang" else f"{served.url}/v1"
            served.name = f"{prefix}:{MODEL}@{at}"
            return served

        yield of_kind
