"""`gptkit.model.generate` against transformers' generate: tokens a second with a cache, on this processor.

    python tests/benchmarks/bench_generate.py [--model gpt2] [--batch 1 8] [--prompt 128] [--tokens 64] [--threads N]

Both have the same random weights in float32, and write the same greedy tokens: it is checked. Prompts of a batch are
equally long, or of all lengths up to that ("ragged"). Times are the best of two turns, taken in turn. Prints Markdown.
"""

import argparse
import time
from collections.abc import Callable

import torch
from measure import table

from gptkit.model.exchange.gpt2 import GPT2
from gptkit.model.generate import Speed, generate, start
from gptkit.model.presets import preset
from gptkit.model.sampling_rules import GREEDY, SamplingRule
from gptkit.model.transformer import Transformer

TURNS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="gpt2", help="a preset of GPT-2's form (default: gpt2, 124M parameters)")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8], help="texts at a time (default: 1 8)")
    parser.add_argument("--prompt", type=int, default=128, help="tokens of a prompt (default: 128)")
    parser.add_argument("--tokens", type=int, default=64, help="new tokens (default: 64)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch (default: its own)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = preset(arguments.model)
    ours = Transformer(config).eval()
    theirs = _theirs(ours)
    print(
        f"{arguments.model}, float32, prompts of {arguments.prompt} tokens, {arguments.tokens} new ones, "
        f"{arguments.threads} threads, torch {torch.__version__}\n"
    )
    rows = []
    for batch in arguments.batch:
        for ragged in (False, True) if batch > 1 else (False,):
            prompts = _prompts(batch, arguments.prompt, config.vocab_size, ragged)
            for name, rule in (("greedy", GREEDY), ("top-p 0.9", SamplingRule(0.8, top_p=0.9))):
                row = _measure(ours, theirs, prompts, arguments.tokens, rule)
                rows.append([batch, "1 to all" if ragged else "equal", name, *row])
    head = [
        "texts",
        "lengths",
        "choice",
        "prompt tokens/s",
        "new tokens/s",
        "transformers: prompt",
        "new",
        "ratio of new",
    ]
    print(table(head, rows))


def _theirs(ours: Transformer) -> torch.nn.Module:
    import transformers

    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**GPT2.describe(ours.config, None)))
    theirs.load_state_dict(GPT2.give(ours.state_dict(), ours.config), strict=False)
    return theirs.eval()


def _prompts(batch: int, length: int, vocab_size: int, ragged: bool) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, vocab_size, (batch, length), generator=generator).tolist()
    return [row[: max(1, length * (number + 1) // batch)] for number, row in enumerate(ids)] if ragged else ids


def _measure(
    ours: Transformer, theirs: torch.nn.Module, prompts: list[list[int]], tokens: int, rule: SamplingRule
) -> list[float]:
    """Tokens a second of the prompt and of what is written after the first token; ours, theirs, and the ratio."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    seen = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    how = {"do_sample": False}
    if not rule.greedy:
        how = {"do_sample": True, "temperature": rule.temperature, "top_p": rule.top_p, "top_k": 0}
    size = sum(map(len, prompts))

    def their(new: int, stamp: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        return theirs.generate(
            ids,
            attention_mask=seen,
            min_new_tokens=new,
            max_new_tokens=new,
            pad_token_id=0,
            logits_processor=[stamp],
            **how,
        )

    if rule.greedy:
        expected = their(8, lambda ids, scores: scores)[:, longest:].tolist()
        assert generate(ours, prompts, 8, rule, [0] * len(prompts)) == expected, "they write different tokens"
    found = []
    for _ in range(TURNS):
        speed = Speed()
        for _ in start(ours, prompts, tokens, rule, range(len(prompts)), speed=speed):
            pass
        stamps = [time.perf_counter()]

        def stamp(ids: torch.Tensor, scores: torch.Tensor, stamps: list[float] = stamps) -> torch.Tensor:
            stamps.append(time.perf_counter())  # when the logits of a step are there
            return scores

        their(tokens, stamp)
        found.append((speed.read_seconds, speed.later_seconds, stamps[1] - stamps[0], stamps[-1] - stamps[1]))
    read, later, their_read, their_later = map(min, zip(*found, strict=True))
    new = len(prompts) * (tokens - 1)
    return [size / read, new / later, size / their_read, new / their_later, their_later / later]


if __name__ == "__main__":
    main()
