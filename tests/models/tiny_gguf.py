"""Tiny models of transformers, written as GGUF files."""

from pathlib import Path

# What llama.cpp wants to know of every architecture, by the name in transformers.
_SIZES = {
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.value_length": "head_dim",
}


def save(
    folder: Path,
    path: Path,
    *,
    chat_template: str | None = None,
    adds: tuple[str, ...] = (),
) -> Path:
    """Write the qwen3 or gemma3 of a folder.

    Args:
        folder: where transformers saved the model and its tokenizer.
        path: the file.
        chat_template: the chat template of the file; default: none.
        adds: what the tokenizer adds to a text: "bos", "eos".
    """
    import gguf
    import numpy as np
    import transformers

    network = transformers.AutoModelForCausalLM.from_pretrained(folder)
    config = network.config
    arch = {"qwen3": "qwen3", "gemma3_text": "gemma3"}[config.model_type]
    writer = gguf.GGUFWriter(path, arch)
    for key, name in _SIZES.items():
        writer.add_uint32(f"{arch}.{key}", getattr(config, name))
    writer.add_float32(f"{arch}.attention.layer_norm_rms_epsilon", config.rms_norm_eps)
    if arch == "gemma3":
        writer.add_uint32(f"{arch}.attention.sliding_window", config.sliding_window)
        writer.add_float32(f"{arch}.rope.freq_base", 1e6)
    else:
        writer.add_float32(f"{arch}.rope.freq_base", config.rope_parameters["rope_theta"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary)
    special = set(tokenizer.all_special_tokens)
    writer.add_token_types([3 if token in special else 1 for token in vocabulary])
    writer.add_token_merges(["Ġ n", "Ġn o"])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_add_bos_token("bos" in adds)
    writer.add_add_eos_token("eos" in adds)
    if chat_template is not None:
        writer.add_chat_template(chat_template)
    architecture = getattr(gguf.MODEL_ARCH, arch.upper())
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for name, tensor in network.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.float().numpy()
        if arch == "gemma3" and "norm" in name:
            values = values + 1  # transformers adds it as it computes
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), np.array(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
