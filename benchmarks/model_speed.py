"""How fast are the values of masked prompts, against a plain loop and the bound of the prefix tree?

The same masks of three prompts go through SmolLM2 as a plain loop does it (transformers, batches of
16 prompts as they come, padded to the longest, logits only where needed), through spex, and through
spex without sharing prefixes. The bound is the tokens that the plain loop feeds, padding included,
over the nodes of the prefix tree of all prompts: what sharing could gain if every token cost the
same. Seconds are those of the processor, all cores together, so that other work on the
machine does not count.

    python benchmarks/model_speed.py --masks 512
"""

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

import spex
from spex.models.batching import plan_contexts
from spex.models.prefix_tree import plan_tree

BATCH = 16
INSTRUCTION = (
    "You are given what somebody wrote about a film. Decide whether they would tell a friend to "
    "see it. Review: {input}\nAnswer with one word, either positive or negative."
)
REVIEW = (
    "The trailer promised very little, and for half an hour the film keeps that promise: nobody "
    "seems to know why they are in this house, the jokes are old and the music is loud. Then the "
    "grandmother arrives, and suddenly every scene is alive, sad and funny at once, so that I left "
    "the cinema happier than I had been all week."
)
PASSAGES = [
    ("Harbour", "The old harbour of Velm was built in 1642. It could hold forty ships. A storm "
     "destroyed the outer wall in 1703. The town paid for a new one with a tax on salt."),
    ("Lighthouse", "The lighthouse of Velm stands on a rock. Its lamp was first lit in 1811. The "
     "keeper was Anna Brandt. She kept a diary for thirty years."),
    ("Railway", "A railway reached the town in 1868. The journey to the capital took nine hours. "
     "Fish was sent inland on ice. The station is a museum today."),
    ("School", "The school was founded by the guild of bakers. It taught reading and sums. Girls "
     "were admitted in 1820. A fire damaged the roof in 1899."),
    ("Market", "The market is held on Thursdays. Farmers bring cheese, apples and wool. In summer "
     "there is music. Visitors come from all over the coast."),
]  # fmt: skip
CHAT = [
    ("system", "You help the customers of a shop for bicycles. Be brief and polite."),
    ("user", "Hello. I bought a touring bicycle from you in March."),
    ("assistant", "Welcome back. I hope you enjoy the rides. How can I help you today?"),
    ("user", "The rear brake squeals when it rains. It was fine until last week."),
    ("assistant", "That is often dirt on the rim. Please clean it with alcohol. Does it go away?"),
    ("user", "I cleaned it twice. It still squeals, and now the lever feels soft too."),
    ("assistant", "A soft lever points to a worn cable. We can replace it for you at no cost."),
    ("user", "I would rather do it myself. Which cable do I need, and which tools?"),
]


def cases(model):
    """(name, value function): log-odds, and the log-probability of answers of several tokens."""
    return [
        (
            "review, words",
            spex.ValueFunction(
                spex.Text(REVIEW, prompt=INSTRUCTION), model, spex.LogOdds("positive", "negative")
            ),
        ),
        (
            "RAG, sentences",
            spex.ValueFunction(
                spex.Documents(PASSAGES, "Who kept the lighthouse?", unit="sentence"),
                model,
                spex.LogProb("The keeper of the lighthouse was Anna Brandt."),
            ),
        ),
        (
            "chat, sentences",
            spex.ValueFunction(
                spex.Messages(
                    [{"role": role, "content": content} for role, content in CHAT], unit="sentence"
                ),
                model,
                spex.LogProb("You need a brake cable and a cable cutter."),
            ),
        ),
    ]


def plain_loop(model, prompts, answers):
    """Log-probabilities of one row per prompt and context of answers, padded on the left."""
    import torch

    rows = [(prompt, context) for prompt in prompts for context in plan_contexts(answers)]
    fed = 0
    values = []
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        tokens = [[*prompt, *context.tokens] for prompt, context in batch]
        width = max(map(len, tokens))
        ids = torch.tensor([[0] * (width - len(row)) + row for row in tokens])
        attended = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in tokens])
        kept = max(len(context.tokens) for _, context in batch) + 1
        with torch.inference_mode():
            logits = model(
                input_ids=ids,
                attention_mask=attended,
                position_ids=(attended.cumsum(dim=1) - 1).clamp(min=0),
                logits_to_keep=kept,
                use_cache=False,
            ).logits
            scores = logits.float().log_softmax(dim=-1)
        fed += ids.numel()
        for row, (_, context) in enumerate(batch):
            first = kept - 1 - len(context.tokens)
            values.append(
                [
                    np.array([float(scores[row, first + i, t]) for i, t in enumerate(answers[a])])
                    for a in context.answers
                ]
            )
    return fed, values


def timed(call):
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def measure(name, function, n_masks, table):
    model, answers = function.model, function.score.answers
    masks = np.random.default_rng(0).random((n_masks, function.n_features)) < 0.5
    prompts = list(dict.fromkeys(function.masker.render(mask) for mask in masks))
    prompt_tokens, answer_tokens = model._encode(prompts, answers)
    nodes = len(plan_tree(prompt_tokens, answer_tokens).tokens)
    assert len(plan_contexts(answer_tokens)) == 1  # as the plain loop returns its values
    fed, mean = 0, np.mean([len(tokens) for tokens in prompt_tokens])

    def spex_values(share):
        model.shares_prefixes = share
        scored = dict(model.log_probs(prompts, answers))
        return [scored[number] for number in range(len(prompts))]

    def count(module, args, kwargs):
        nonlocal fed
        fed += kwargs["input_ids"].numel()

    dict(model.log_probs(prompts[:4], answers))  # what is done once per process is done
    hook = model._model.register_forward_pre_hook(count, with_kwargs=True)
    ways = [
        ("plain loop", lambda: plain_loop(model._model, prompt_tokens, answer_tokens)[1]),
        ("spex, whole rows", lambda: spex_values(False)),
        ("spex", lambda: spex_values(True)),
    ]
    rows = []
    for way, call in ways:
        fed = 0
        seconds, values = timed(call)
        scores = np.array([function.score.combine(of_prompt) for of_prompt in values])
        rows.append((way, seconds, fed, scores))
    hook.remove()
    _, plain_seconds, plain_fed, plain_scores = rows[0]
    assert rows[-1][2] == nodes
    bound = plain_fed / nodes
    for way, seconds, fed, scores in rows:
        gain = plain_seconds / seconds
        table.add_row(
            f"{name} ({function.n_features}; {mean:.0f} tokens)" if way == "plain loop" else "",
            way, f"{len(prompts) / seconds:.2f}", f"{fed / seconds:.0f}", str(fed), f"{gain:.2f}",
            f"{bound:.2f}", f"{gain / bound:.0%}", f"{np.abs(scores - plain_scores).max():.1e}",
        )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--masks", type=int, default=512)
    arguments = parser.parse_args()
    model = spex.models.load("smollm2")
    table = Table(
        "prompt (units; mean length)", "way", "prompts/s", "tokens/s", "tokens fed", "gain",
        "bound", "of it", "nats off",
        title=f"{arguments.masks} masks, SmolLM2-135M, per second of processor time",
    )  # fmt: skip
    console = Console(width=125)
    for name, function in cases(model):
        measure(name, function, arguments.masks, table)
        console.print(table)


if __name__ == "__main__":
    main()
