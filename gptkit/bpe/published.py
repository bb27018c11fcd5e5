"""What published rank files do not say of themselves: the pattern and the special tokens.

Values of tiktoken's openai_public.py and of Llama 3's model card and code; the sums are those tiktoken checks.
"""

from dataclasses import dataclass

END, END_OF_PROMPT = "<|endoftext|>", "<|endofprompt|>"
LLAMA3_TOKENS = 128_000  # of Llama 3's tokenizer.model, which its special tokens follow
LLAMA3_SPECIAL = 256


@dataclass(frozen=True)
class Encoding:
    """A pattern's name (gptkit.bpe.patterns), special tokens with their ids, and the SHA-256 of the rank file."""

    pattern: str
    special: dict[str, int]
    sha256: str


ENCODINGS = {
    "r50k_base": Encoding("gpt2", {END: 50256}, "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"),
    "p50k_base": Encoding("gpt2", {END: 50256}, "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069"),
    "cl100k_base": Encoding(
        "cl100k",
        {
            END: 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            END_OF_PROMPT: 100276,
        },
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
    "o200k_base": Encoding(
        "o200k",
        {END: 199999, END_OF_PROMPT: 200018},
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
}
OTHER_NAMES = {"gpt2": "r50k_base"}  # the same ranks


def llama3_special() -> dict[str, int]:
    """The special tokens of Llama 3 (later versions of it name some of the reserved ones)."""
    named = {0: "<|begin_of_text|>", 1: "<|end_of_text|>", 6: "<|start_header_id|>", 7: "<|end_header_id|>"}
    named[9] = "<|eot_id|>"
    reserved = (f"<|reserved_special_token_{number}|>" for number in range(LLAMA3_SPECIAL))
    return {named.get(place) or next(reserved): LLAMA3_TOKENS + place for place in range(LLAMA3_SPECIAL)}
