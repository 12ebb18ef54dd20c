"""Tiny vision-language models with random weights, and the plain computation by transformers."""

import functools

# As LLaVA-NeXT's own: a picture before the text, roles in words.
LLAVA_TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {% for part in m.content %}{% if part.type == 'image' %}"
    "<image>\n{% endif %}{% endfor %}{% for part in m.content %}{% if part.type == 'text' %}"
    "{{ part.text }}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
GEMMA_TEMPLATE = "<s>" + LLAVA_TEMPLATE.replace("<image>", "<start_of_image>")
_LLAMA = dict(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=512,
    initializer_range=0.5,
    bos_token_id=0,
    eos_token_id=1,
)


def tokenizer(**special):
    """Single bytes and a few words."""
    import tokenizers
    import transformers
    from tokenizers import decoders, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.processors import TemplateProcessing

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = ["<s>", "</s>", *special.values(), *alphabet, "Ġn", "Ġno"]
    vocabulary = {token: number for number, token in enumerate(names)}
    made = tokenizers.Tokenizer(BPE(vocabulary, [("Ġ", "n"), ("Ġn", "o")]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens=special,
    )


def save_llava_next(folder, seed=0):
    """LLaVA-NeXT of 16 x 16 pixels a tile and 8 x 8 a patch, with its processor."""
    import transformers
    from transformers.models.llava_next.image_processing_pil_llava_next import (
        LlavaNextImageProcessorPil,
    )

    words = tokenizer(image_token="<image>")
    pinpoints = [[16, 32], [32, 16], [32, 32]]
    images = LlavaNextImageProcessorPil(
        size={"shortest_edge": 16},
        crop_size={"height": 16, "width": 16},
        image_grid_pinpoints=pinpoints,
    )
    transformers.LlavaNextProcessor(
        images,
        words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_TEMPLATE,
    ).save_pretrained(folder)
    vision = transformers.CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=16,
        patch_size=8,
        # With transformers' own factor of 1 a tiny tower hardly tells one picture from another.
        initializer_factor=8.0,
    )
    config = transformers.LlavaNextConfig(
        vision_config=vision,
        text_config=transformers.LlamaConfig(vocab_size=len(words), **_LLAMA),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1,
        initializer_range=0.5,
    )
    return _save(folder, config, "LlavaNextForConditionalGeneration", seed)


def save_gemma3(folder, seed=0):
    """Gemma 3, whose attention sees all of a picture at once, with its processor."""
    import transformers
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    words = tokenizer(
        boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>"
    )
    images = Gemma3ImageProcessorPil(size={"height": 16, "width": 16})
    transformers.Gemma3Processor(
        images, words, chat_template=GEMMA_TEMPLATE, image_seq_length=4
    ).save_pretrained(folder)
    config = transformers.Gemma3Config(
        vision_config=transformers.SiglipVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=16,
            patch_size=4,
        ),
        text_config=transformers.Gemma3TextConfig(
            vocab_size=len(words),
            head_dim=8,
            query_pre_attn_scalar=8,
            sliding_window=64,
            **(_LLAMA | {"initializer_range": 0.1}),
        ),
        mm_tokens_per_image=4,
        boi_token_index=words.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=words.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=words.convert_tokens_to_ids("<image_soft_token>"),
        initializer_range=0.1,
    )
    return _save(folder, config, "Gemma3ForConditionalGeneration", seed)


def _save(folder, config, architecture, seed):
    import torch
    import transformers

    # The state of the generator is put back: other tests may depend on it.
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = getattr(transformers, architecture)(config)
        for name, value in model.named_parameters():
            if name.endswith("mm_input_projection_weight"):  # zeros, in Gemma 3 before training
                torch.nn.init.normal_(value)
        model.save_pretrained(folder)
    return folder


@functools.cache
def plain(folder):
    """Processor and model, as a user of transformers loads them."""
    import torch
    import transformers

    return (
        transformers.AutoProcessor.from_pretrained(folder),
        transformers.AutoModelForImageTextToText.from_pretrained(
            folder, dtype=torch.float32
        ).eval(),
    )


def inputs(folder, messages):
    """What transformers makes of (role, picture or None, text) messages."""
    processor, _ = plain(folder)
    conversation = [
        {
            "role": role,
            "content": [
                *([] if picture is None else [{"type": "image", "image": picture}]),
                {"type": "text", "text": text},
            ],
        }
        for role, picture, text in messages
    ]
    return processor.apply_chat_template(
        conversation,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )


def log_probs(folder, messages, answer):
    """Token log-probabilities: one row, no padding, no cache, all logits."""
    import torch

    processor, model = plain(folder)
    given = dict(inputs(folder, messages))
    tokens = processor.tokenizer(answer, add_special_tokens=False)["input_ids"]
    start = given["input_ids"].shape[1]
    for name, value in given.items():
        if value.shape == (1, start):
            of_answer = {"input_ids": torch.tensor([tokens])}.get(
                name, torch.full((1, len(tokens)), int(name == "attention_mask"))
            )
            given[name] = torch.cat([value, of_answer], dim=1)
    with torch.no_grad():
        rows = model(**given).logits[0].double().log_softmax(-1)
    return [rows[start - 1 + place, token].item() for place, token in enumerate(tokens)]


def greedy(folder, messages, n_tokens):
    """The greedy answer, by transformers' own generate."""
    processor, model = plain(folder)
    given = inputs(folder, messages)
    tokens = model.generate(**given, do_sample=False, max_new_tokens=n_tokens)
    return processor.tokenizer.decode(
        tokens[0, given["input_ids"].shape[1] :], skip_special_tokens=True
    )
