"""Tokenizers that put a space before a text: answers have the tokens that the model would write."""

import numpy as np
import pytest

from spex.models import Message, Prompt, load

ANSWERS = ["yes", "no", "yes no", " no"]
LINE = "{% for m in messages %}<s>{{ m.content }}{% endfor %}{{ '>\n' }}"
BRACKET = "{% for m in messages %}<s>{{ m.content }}{% endfor %}[/I]"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Makes the folder of a tiny model with such a tokenizer and a chat template."""
    import tokenizers as tk
    import torch
    import transformers

    def save(scheme, template):
        folder = tmp_path_factory.mktemp(scheme)
        words = ["▁yes", "yes", "▁no", "no", "▁", "\n", ">", "[/I]", "▁a", "▁b"]
        letters = [chr(c) for c in range(33, 127) if chr(c) not in words]
        vocabulary = ["<unk>", "<s>", "</s>", *words, *letters]
        pieces = [(one, -1.0 if len(one) > 1 else -9.0) for one in vocabulary]
        tokenizer = tk.Tokenizer(tk.models.Unigram(pieces, unk_id=0))
        tokenizer.pre_tokenizer = tk.pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
        tokenizer.decoder = tk.decoders.Metaspace(prepend_scheme=scheme, split=False)
        fast = transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
        )
        fast.chat_template = template
        fast.save_pretrained(folder)
        torch.manual_seed(3)
        config = transformers.LlamaConfig(
            vocab_size=len(vocabulary), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
            num_attention_heads=2, bos_token_id=1, eos_token_id=2, max_position_embeddings=64,
        )  # fmt: skip
        transformers.LlamaForCausalLM(config).save_pretrained(folder)
        return folder

    return save


def reference(folder, text, tokens):
    """Log-probabilities of tokens after a text, by one plain pass."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    before = tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        rows = network(torch.tensor([before + tokens])).logits[0].double().log_softmax(-1)
    return rows[range(len(before) - 1, len(before) + len(tokens) - 1), tokens].numpy(), before


@pytest.mark.parametrize("scheme", ["first", "always"])
@pytest.mark.parametrize(("template", "joins"), [(LINE, True), (BRACKET, False), (None, False)])
def test_answers_have_the_tokens_of_the_text_as_a_whole(saved, scheme, template, joins):
    import transformers

    folder = saved(scheme, template)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = load(f"hf:{folder}", device="cpu")
    assert (";answers=line" in model.identity) == joins
    prompts = [Prompt((Message("user", text),)) for text in ("a b", "b")]
    scored = dict(model.log_probs(prompts, ANSWERS))
    for number, prompt in enumerate(prompts):
        text = model._prompt_text(prompt)
        for answer, values in zip(ANSWERS, scored[number], strict=True):
            alone = tokenizer(answer, add_special_tokens=False)["input_ids"]
            whole = tokenizer(text + answer, add_special_tokens=False)["input_ids"]
            _, before = reference(folder, text, alone)
            tokens = whole[len(before) :] if joins else alone
            assert list(model.answer_ids(answer)) == tokens
            np.testing.assert_allclose(values, reference(folder, text, tokens)[0], atol=1e-4)
            assert len(model.answer_tokens(answer)) == len(tokens)
    first = tokenizer.convert_ids_to_tokens(model.answer_ids("yes"))
    assert first == (["yes"] if joins else ["▁yes"])
    assert model.answer_tokens("yes no") == [(0, 3), (3, 6)]
