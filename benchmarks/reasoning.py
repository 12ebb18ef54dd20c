"""Which steps of its reasoning carry a model's answer: two traces, on SmolLM2.

    python benchmarks/reasoning.py --puzzles puzzles.jsonl --out FOLDER

- "bridge": the puzzle of four people on a bridge, with a trace that is given, one step a line. The
  steps are needed together: X is the slowest person, X is D, and the time of D.
- "own": the model writes the trace, and the answer, itself.
"""

import argparse
import json
import time
from pathlib import Path

import spex

_STEPS = """\
Call the slowest person X.
X is D.
The time of D is 10."""
_OWN = "Which is larger, a mouse or an elephant? Explain step by step."


def bridge(puzzles: Path, model: spex.models.LanguageModel) -> spex.ValueFunction:
    """The puzzle of the bridge: 10 minutes against 5."""
    rows = [json.loads(line) for line in puzzles.read_text().splitlines()]
    (context,) = (row["context"] for row in rows if "bridge" in row["context"])
    question = f"{context} How long does it take them to cross together?"
    masker = spex.Reasoning(question, _STEPS, "line", answer_cue="\n\nThe time of X is")
    return spex.ValueFunction(masker, model, spex.LogOdds(" 10", " 5"))


def own(model: spex.models.LanguageModel) -> spex.ValueFunction:
    """A trace and an answer that the model writes."""
    return spex.ValueFunction(spex.Reasoning(_OWN, max_new_tokens=160), model)


def main() -> None:
    """Explain both, print what was found, write a page of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--puzzles", type=Path, required=True)
    parser.add_argument("--budget", type=int, default=128)
    parser.add_argument("--out", type=Path, default=Path())
    arguments = parser.parse_args()
    model = spex.models.load("smollm2")
    functions = {"bridge": lambda: bridge(arguments.puzzles, model), "own": lambda: own(model)}
    for name, function in functions.items():
        value = function()
        begun = time.perf_counter()
        found = spex.explain(value, budget=arguments.budget)
        print(f"## {name}: {time.perf_counter() - begun:.0f} s\n{found}", flush=True)
        found.save(arguments.out / f"reasoning-{name}.json")
        found.to_html(arguments.out / f"reasoning-{name}.html")


if __name__ == "__main__":
    main()
