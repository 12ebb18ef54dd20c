"""Log-probabilities of every route against plain transformers, and what their check costs.

SmolLM2 scores an answer of several tokens and two labels after the same masks of two prompts that
nothing was tuned on. The reference is a pass of transformers over each whole sequence by itself.
SGLang, vLLM and servers with top_logprobs are stand-ins that follow the published schemas
(tests/models/served.py), backed by the same network: their rows say that the right tokens are asked
and read, not how exact those servers are. llama.cpp is the real one, whose weights of four bits it
multiplies with activations of eight.

    python benchmarks/routes.py --masks 24
"""

import argparse
import itertools
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
import transformers
from rich.console import Console
from rich.table import Table

import spex
from spex.models import load
from spex.models.transformers.checkpoints.smollm2 import find_gguf, smollm2_folder
from spex.values import scoring_check

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

PROMPTS = [
    (
        "The last ferry to Holm left at nine, an hour late, because the captain had waited for a "
        "wedding party that in the end took the bridge.",
        "Did the ferry leave on time? {input} Answer yes or no.",
    ),
    (
        "My neighbour grows nineteen kinds of tomato, gives most of them away, and buys his own "
        "lunch at the petrol station.",
        "Is this person generous? {input} Answer yes or no.",
    ),
]
WHOLE = "It was because of the wedding party."
LABELS = ["yes", "no"]
FIRST = "Yes"  # what it may well write


def reference(network, tokenizer, prompt, answer):
    """Log-probabilities of an answer's tokens from one pass over the whole sequence."""
    messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    start = tokenizer(text, add_special_tokens=False)["input_ids"]
    tokens = tokenizer(answer, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        rows = network(torch.tensor([start + tokens])).logits[0].double().log_softmax(-1)
    return rows[range(len(start) - 1, len(start) + len(tokens) - 1), tokens].numpy()


def unshared(tokenizer, texts):
    """Tokens of all texts without those that the one before begins with too."""
    tokens = [tokenizer(text)["input_ids"] for text in texts]
    alike = [[a == b for a, b in zip(*pair, strict=False)] for pair in itertools.pairwise(tokens)]
    return sum(map(len, tokens)) - sum([*one, False].index(False) for one in alike)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--masks", type=int, default=24, help="of each prompt")
    options = parser.parse_args()
    network = transformers.AutoModelForCausalLM.from_pretrained(
        smollm2_folder(), dtype=torch.float32
    ).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(smollm2_folder())
    rng = np.random.default_rng(22)
    texts = [spex.Text(text, prompt=template) for text, template in PROMPTS]
    prompts = [
        text.render(mask)
        for text in texts
        for mask in rng.random((options.masks, text.n_features)) < 0.5
    ]
    answers = [WHOLE, *LABELS, FIRST]
    truth = {
        answer: [reference(network, tokenizer, p, answer) for p in prompts] for answer in answers
    }
    report = Table(title=f"{len(prompts)} prompts; nats, of each token")
    for column in ("route", "answers", "largest difference", "root mean square"):
        report.add_column(column, justify="left" if column in ("route", "answers") else "right")

    def compare(route, model, wanted):
        scored = dict(model.log_probs(prompts, wanted))
        off = np.concatenate(
            [
                scored[number][place] - truth[answer][number]
                for number in range(len(prompts))
                for place, answer in enumerate(wanted)
            ]
        )
        kind = "whole" if WHOLE in wanted else "labels"
        report.add_row(
            route, kind, f"{np.abs(off).max():.2g}", f"{np.sqrt(np.square(off).mean()):.2g}"
        )

    costs = Table(
        title=f"The check at the start: {scoring_check.N_CALLS} prompts, once for a model"
    )
    for column in (
        "model",
        "answers",
        "largest difference, nats",
        "seconds of the processor",
        "a mask takes",
    ):
        costs.add_column(column, justify="left" if column in ("model", "answers") else "right")

    def cost(name, model):
        for wanted in (spex.LogProb(WHOLE), spex.LogOdds(*LABELS)):
            value = spex.ValueFunction(texts[0], model, wanted)
            masks = rng.random((40, texts[0].n_features)) < 0.5
            dict(model.log_probs([texts[0].render(masks[0])], value._answers))  # warm
            began = time.process_time()
            value.check_scoring(masks)
            seconds = time.process_time() - began
            began = time.process_time()
            value(masks)
            each = (time.process_time() - began) / len(masks)
            found = list(scoring_check._FOUND[model].values())[-1]
            kind = "whole" if isinstance(wanted, spex.LogProb) else "labels"
            costs.add_row(name, kind, f"{found.largest:.2g}", f"{seconds:.2f}", f"{each:.2f}")

    smollm2 = load("smollm2")
    with ExitStack() as stack:
        for wanted in ([WHOLE], LABELS):
            compare("smollm2, prefix tree", smollm2, wanted)
        cost("smollm2", smollm2)
        smollm2.shares_prefixes = False
        for wanted in ([WHOLE], LABELS):
            compare("smollm2, whole rows", smollm2, wanted)
        from models import llama_server
        from models.served import MODEL, serving

        for kind, title, kinds in (
            ("sglang", "SGLang (stand-in)", ([WHOLE], LABELS)),
            ("vllm", "vLLM (stand-in)", ([WHOLE], LABELS)),
            ("openai", "top_logprobs (stand-in)", ([FIRST],)),
        ):
            served = stack.enter_context(serving(kind, network, tokenizer))
            at = served.url if kind == "sglang" else f"{served.url}/v1"
            model = load(f"{'sglang' if kind == 'sglang' else 'openai'}:{MODEL}@{at}")
            for wanted in kinds:
                try:
                    compare(title, model, wanted)
                except spex.BackendError as error:
                    report.add_row(title, "labels", "refused", str(error).partition(";")[0][:40])
        gguf = load(f"gguf:{find_gguf()}", threads=1)
        for wanted in ([WHOLE], LABELS):
            compare("gguf:FILE (llama.cpp)", gguf, wanted)
        cost("gguf:FILE", gguf)
        process = subprocess.Popen(
            [sys.executable, llama_server.__file__], stdout=subprocess.PIPE, text=True
        )
        stack.callback(process.terminate)
        http = load(f"openai:smollm2@{process.stdout.readline().strip()}/v1")
        for wanted in ([WHOLE], LABELS):
            compare("llama.cpp's server", http, wanted)
    console = Console(width=110)
    console.print(report)
    console.print(costs)
    texts = [prompt.text for prompt in prompts]
    console.print(
        f"Of {sum(len(tokenizer(text)['input_ids']) for text in texts):,} tokens of the prompts, "
        f"not shared with the one before: {unshared(tokenizer, texts):,} as they come, "
        f"{unshared(tokenizer, sorted(texts)):,} sorted"
    )


if __name__ == "__main__":
    main()
