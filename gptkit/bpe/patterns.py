"""How text is split before BPE: the published patterns, as the tokenizers library takes them.

The expressions are those of GPT-2 (r50k_base), GPT-4 (cl100k_base), GPT-4o (o200k_base) and Llama 3, in
the form in which tokenizer.json files hold them. Where tiktoken's newer releases have `\\s++$` in
cl100k_base, white space at the very end of a text stays in one piece there even if line breaks are in it;
the tokenizer.json files of GPT-4 and Llama 3 cut it behind the last line break.
"""

from typing import Any

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
CAPITALS, SMALL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
CL100K = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
EXPRESSIONS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "cl100k": CL100K,
    "llama3": CL100K,
    "o200k": (
        rf"[^\r\n\p{{L}}\p{{N}}]?{CAPITALS}*{SMALL}+{CONTRACTIONS}?"
        rf"|[^\r\n\p{{L}}\p{{N}}]?{CAPITALS}+{SMALL}*{CONTRACTIONS}?"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}
WORD_END = "</w>"  # GPT-1's mark on the last symbol of a word
UNKNOWN = "<unk>"  # GPT-1's id for characters that it has not learned


def parts(pattern: str) -> dict[str, Any]:
    """The fields `normalizer`, `pre_tokenizer` and `decoder` of a tokenizer.json with this pattern.

    pattern: a name in EXPRESSIONS, or "gpt1": lower case without accents, split at white space and
    punctuation (as transformers' OpenAIGPTTokenizer). Raises KeyError for any other.
    """
    if pattern == "gpt1":
        return {
            "normalizer": {
                "type": "BertNormalizer",
                "clean_text": True,
                "handle_chinese_chars": True,
                "strip_accents": None,
                "lowercase": True,
            },
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "decoder": {"type": "BPEDecoder", "suffix": WORD_END},
        }
    expression = EXPRESSIONS[pattern]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    if pattern == "gpt2":
        return {"normalizer": None, "pre_tokenizer": byte_level, "decoder": byte_level}
    split = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}
    bytes_only = {**byte_level, "use_regex": False}
    return {
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, bytes_only]},
        "decoder": byte_level,
    }
