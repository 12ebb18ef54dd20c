"""How fast are the values of masked prompts, against a plain loop and the bound of the prefix tree?

The same masks of a review, of passages to answer from, of a chat and of a reasoning trace go
through SmolLM2 as a plain loop does it (transformers by itself, one prompt after the other; and in
batches of 16 as they come, padded to the longest; logits only where needed), and through spex, in
float32 and bfloat16. Equal prompts count once, also in the plain loop. The bound is the nodes of
the prefix tree of all prompts, the tokens that have to be computed, at the most tokens a second
that any way in float32 reached. Seconds are those of the processor, all cores together, so that
other work on the machine does not count; the ways take turns, and the least of each counts.

The next table has replies of up to 12 tokens: `generate` of transformers prompt after prompt, and
spex. The last one counts tokens alone, and runs no model: whole rows without padding, as a server
with continuous batching computes them; with the prefix caching of vLLM, which keeps whole blocks of
16 tokens, if it keeps all of them; and the prefix tree. (vLLM reads no cache for a request with
prompt_logprobs, by which spex has it score whole answers.)

    OMP_NUM_THREADS=1 python benchmarks/model_speed.py --masks 32
    python benchmarks/model_speed.py --masks 512 --count-only
"""

import argparse
import time

import numpy as np
import transformers
from rich.console import Console
from rich.table import Table

import spex
from spex.models.transformers.batching import plan_contexts
from spex.models.transformers.checkpoints.smollm2 import smollm2_folder
from spex.models.transformers.prefixes.prefix_tree import plan_tree

BATCH = 16
N_NEW = 12
BLOCK = 16
INSTRUCTION = (
    "You are given what somebody wrote about a film. Please decide whether they would tell a good "
    "friend to go and see it too. Review: {input}\nAnswer with one word, either positive or "
    "negative."
)
REVIEW = (
    "The trailer promised very little, and for half an hour the film keeps that promise: nobody "
    "seems to know why they are here, the jokes are old and the music is loud. Then the "
    "grandmother arrives, and suddenly every scene is alive, sad and funny at once, so that I left "
    "the cinema happier than I had ever been before."
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
    ("system", "You are the assistant of a shop that sells and repairs bicycles. Be brief and "
     "polite, never promise a date, and send people to the workshop when a repair is not safe for "
     "them to do at home."),
    ("assistant", "Welcome back! I can look up an order, explain a repair, or find a part for you. "
     "If it is about a bicycle that you bought from us, please tell me the model and roughly when "
     "you bought it."),
    ("user", "Hello. I bought a touring bicycle from you in March, the green one with the steel "
     "frame and rim brakes. I ride it to work every day, about ten kilometres each way, and I was "
     "very happy with it until last week."),
    ("assistant", "Thank you, I have found it. A bicycle that is ridden in all weather needs a "
     "little care now and then, and most complaints in the first year come from the brakes or from "
     "the chain. What is wrong with yours?"),
    ("user", "The rear brake squeals whenever it rains, so loudly that people turn round. It did "
     "not do that in spring. In dry weather it is quiet, and the front brake has never made a "
     "noise at all."),
    ("assistant", "That is often dirt or old grease on the rim. Please wipe the rim with alcohol, "
     "roughen the pads a little with sandpaper, and check that they touch the rim with their front "
     "edge first. Does the noise go away then?"),
    ("user", "I cleaned the rim twice and sanded the pads as you said. It still squeals a little, "
     "and now the lever feels soft as well: I have to pull it almost to the handlebar before "
     "anything happens."),
    ("assistant", "A soft lever points to a worn cable, or to one that has slipped where it is "
     "clamped. Please do not ride down steep hills until it is mended. We can replace the cable in "
     "the workshop at no cost, for the bicycle is under warranty."),
    ("user", "Thank you, but I live far away and would rather do it myself on Saturday. Which "
     "cable do I need for this brake, which tools should I have at hand, and is there anything "
     "that I should take care of when I clamp it?"),
]  # fmt: skip

QUESTION = (
    "A farmer has 17 sheep and buys twice as many goats as he has sheep. Then he sells 9 animals "
    "and gives 6 to his sister. How many animals are left?"
)
TRACE = (
    "Let me count the animals step by step. The farmer starts with 17 sheep. Twice as many goats "
    "as sheep are 34 goats. It does not matter that goats eat more. Sheep and goats together are "
    "51 animals. He sells 9 of them. So 42 animals remain after the sale. His sister gets 6 more. "
    "She lives on another farm. Then 42 minus 6 are 36. I check the sum once more. It is right."
)


def cases():
    """(name, masker, score): log-odds, and the log-probability of answers of several tokens."""
    chat = [{"role": role, "content": content} for role, content in CHAT]
    advice = spex.LogProb("You need a brake cable and a cable cutter.")
    return [
        (
            "review, words",
            spex.Text(REVIEW, prompt=INSTRUCTION),
            spex.LogOdds("positive", "negative"),
        ),
        (
            "RAG, sentences",
            spex.Documents(PASSAGES, "Who kept the lighthouse?", unit="sentence"),
            spex.LogProb("The keeper of the old lighthouse was Mrs Anna Brandt."),
        ),
        ("chat, turns", spex.Messages(chat), advice),
        ("reasoning, steps", spex.Reasoning(QUESTION, TRACE), spex.LogProb("36 animals are left.")),
    ]


class Prompts:
    """The distinct prompts of some random masks, and their tokens as transformers makes them."""

    def __init__(self, tokenizer, masker, score, n_masks):
        masks = np.random.default_rng(0).random((n_masks, masker.n_features)) < 0.5
        self.prompts = list(dict.fromkeys(masker.render(mask) for mask in masks))
        self.answers = (score.a, score.b) if hasattr(score, "a") else (score.answer,)
        self.tokens = [self._tokens(tokenizer, prompt) for prompt in self.prompts]
        self.answer_tokens = [
            tokenizer(answer, add_special_tokens=False)["input_ids"] for answer in self.answers
        ]
        self.contexts = plan_contexts(self.answer_tokens)
        self.rows = [(prompt, context) for prompt in self.tokens for context in self.contexts]
        self.nodes = len(plan_tree(self.tokens, self.answer_tokens).tokens)

    @staticmethod
    def _tokens(tokenizer, prompt):
        chat = [{"role": m.role, "content": m.content} for m in prompt.messages]
        text = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        text += prompt.answer_prefix
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    @property
    def mean_length(self):
        return np.mean([len(tokens) for tokens in self.tokens])


def block_cached(rows):
    """Tokens computed where whole blocks of earlier rows are kept, and the last token never."""
    kept, computed = set(), 0
    for row in rows:
        blocks = [tuple(row[:stop]) for stop in range(BLOCK, len(row) + 1, BLOCK)]
        hits = sum(1 for block in blocks if block in kept and len(block) < len(row))
        computed += len(row) - BLOCK * hits
        kept.update(blocks)
    return computed


def plain_loop(model, rows, answers, size):
    """Log-probabilities of rows of a prompt and the context of answers, in batches of `size`."""
    import torch

    values = []
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
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
        for row, (_, context) in enumerate(batch):
            first = kept - 1 - len(context.tokens)
            values.append(
                [
                    np.array([float(scores[row, first + i, t]) for i, t in enumerate(answers[a])])
                    for a in context.answers
                ]
            )
    return values


def least(ways, repetitions):
    """(least seconds, result) of each way; the ways take turns."""
    seconds, results = dict.fromkeys(ways, np.inf), {}
    for _ in range(repetitions):
        for name, call in ways.items():
            start = time.process_time()
            results[name] = call()
            seconds[name] = min(seconds[name], time.process_time() - start)
    return seconds, results


def measure(name, models, network, prompts, score, repetitions, table):
    def spex_values(dtype):
        scored = dict(models[dtype].log_probs(prompts.prompts, prompts.answers))
        return [scored[number] for number in range(len(prompts.prompts))]

    def plain(size):
        return plain_loop(network, prompts.rows, prompts.answer_tokens, size)

    assert len(prompts.contexts) == 1  # as the plain loop returns its values
    for model in models.values():
        assert model.shares_prefixes
        dict(model.log_probs(prompts.prompts[:2], prompts.answers))  # what is done once is done
    ways = {"one by one": lambda: plain(1), f"batches of {BATCH}": lambda: plain(BATCH)}
    for dtype in models:
        ways[f"spex, {dtype}"] = lambda dtype=dtype: spex_values(dtype)
    seconds, values = least(ways, repetitions)
    rows = [len(prompt) + len(context.tokens) for prompt, context in prompts.rows]
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    fed = {
        "one by one": sum(rows),
        f"batches of {BATCH}": sum(len(batch) * max(batch) for batch in batches),
        "spex, float32": prompts.nodes,
    }
    bound = prompts.nodes / max(fed[way] / seconds[way] for way in fed)
    scores = {way: np.array([score.combine(of) for of in values[way]]) for way in ways}
    for way in ways:
        gain = seconds["one by one"] / seconds[way]
        off = np.abs(scores[way] - scores["one by one"])
        table.add_row(
            name if way == "one by one" else "", way, f"{seconds[way]:.1f}", f"{gain:.2f}",
            f"{bound:.1f}", f"{bound / seconds[way]:.0%}", f"{off.max():.1e}", f"{off.mean():.1e}",
        )  # fmt: skip


def measure_replies(name, model, network, tokenizer, prompts, repetitions, table):
    import torch

    def alone():
        replies = []
        for tokens in prompts.tokens:
            ids = torch.tensor([tokens])
            made = network.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=N_NEW, do_sample=False,
                pad_token_id=0,
            )  # fmt: skip
            replies.append(tokenizer.decode(made[0, len(tokens) :], skip_special_tokens=True))
        return replies

    ways = {"one by one": alone, "spex": lambda: model.generate(prompts.prompts, N_NEW)}
    seconds, replies = least(ways, repetitions)
    equal = sum(map(str.__eq__, replies["one by one"], map(str, replies["spex"])))
    table.add_row(
        name, f"{seconds['one by one']:.1f}", f"{seconds['spex']:.1f}",
        f"{seconds['one by one'] / seconds['spex']:.2f}", f"{equal} of {len(prompts.prompts)}",
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--masks", type=int, default=512)
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--count-only", action="store_true", help="the last table alone")
    arguments = parser.parse_args()
    console = Console(width=130)
    folder = smollm2_folder()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    counts = Table(
        "prompt (units)", "prompts", "tokens each", "of answers", "whole rows", "in blocks", "gain",
        "in the tree", "gain", title=f"{arguments.masks} masks, tokens without padding",
    )  # fmt: skip
    made = []
    for name, masker, score in cases():
        prompts = Prompts(tokenizer, masker, score, arguments.masks)
        made.append((f"{name} ({masker.n_features})", score, prompts))
        rows = [[*prompt, *context.tokens] for prompt, context in prompts.rows]
        whole, blocks = sum(map(len, rows)), block_cached(rows)
        lengths = " and ".join(str(len(tokens)) for tokens in prompts.answer_tokens)
        counts.add_row(
            made[-1][0], str(len(prompts.prompts)), f"{prompts.mean_length:.0f}", lengths,
            str(whole), str(blocks), f"{whole / blocks:.2f}", str(prompts.nodes),
            f"{whole / prompts.nodes:.2f}",
        )  # fmt: skip
    console.print(counts)
    if arguments.count_only:
        return
    models = {
        dtype: spex.models.load("smollm2", dtype=dtype) for dtype in arguments.dtypes.split(",")
    }
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
    speeds = Table(
        "prompt (units)", "way", "seconds", "times", "bound, s", "of it", "nats off", "mean",
        title=f"{arguments.masks} masks, SmolLM2-135M, seconds of processor time",
    )  # fmt: skip
    for name, score, prompts in made:
        resolved = score.resolve(models["float32"], prompts.prompts[0])  # its answers are given
        measure(name, models, network, prompts, resolved, arguments.repetitions, speeds)
        console.print(speeds)
    written = Table(
        "prompt (units)", "one by one, s", "spex, s", "times", "equal",
        title=f"replies of up to {N_NEW} tokens to {arguments.masks} masks",
    )  # fmt: skip
    for name, _, prompts in made[:2]:
        measure_replies(
            name, models["float32"], network, tokenizer, prompts, arguments.repetitions, written
        )
        console.print(written)


if __name__ == "__main__":
    main()
