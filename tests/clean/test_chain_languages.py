"""Paragraphs of many languages through all rules (FLORES-200's development sentences)."""

import json
import os
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard

from gptkit.clean.chain import Chain
from gptkit.clean.settings import CleanSettings

SHARED = Path(os.environ.get("GPTKIT_SHARED") or Path(__file__).parents[3] / "shared") / "data" / "languages"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="GPTKIT_SHARED names no folder with data/languages")

LANGUAGES = """
arb_Arab ben_Beng bul_Cyrl cat_Latn ces_Latn deu_Latn ell_Grek eus_Latn fin_Latn fra_Latn heb_Hebr hin_Deva hun_Latn
ind_Latn ita_Latn jpn_Jpan khm_Khmr kor_Hang lao_Laoo mal_Mlym mya_Mymr nld_Latn pes_Arab pol_Latn por_Latn ron_Latn
rus_Cyrl spa_Latn swe_Latn tam_Taml tha_Thai tur_Latn ukr_Cyrl vie_Latn zho_Hans zho_Hant
""".split()
UNSPACED = {"zho_Hans", "zho_Hant", "jpn_Jpan", "tha_Thai", "lao_Laoo", "khm_Khmr", "mya_Mymr"}
SENTENCES = 10  # of a paragraph


def paragraphs():
    """By language: paragraphs of ten sentences, one begun every five."""
    sentences = defaultdict(list)
    with open(SHARED / "flores.jsonl.zst", "rb") as file:
        for line in zstandard.ZstdDecompressor().stream_reader(file).read().decode().splitlines():
            row = json.loads(line)
            sentences[row["lang"]].append(row["text"])
    return {
        code: [("" if code in UNSPACED else " ").join(texts[n : n + SENTENCES]) for n in range(0, 91, 5)]
        for code, texts in sentences.items()
        if code in LANGUAGES
    }


@pytest.mark.parametrize("rules", [("fineweb",), ("gopher", "dclm", "c4", "fineweb-quality")])
def test_good_prose_passes_the_rules_in_every_language(rules):
    chain = Chain(CleanSettings(rules=rules, language=("any",)))
    kept = {}
    for code, texts in paragraphs().items():
        none = [""] * len(texts)
        outcome = chain.run(pa.record_batch({"id": none, "source": none, "url": none, "text": texts}))
        kept[code] = len(outcome.kept) / len(texts)
    assert len(kept) == len(LANGUAGES)
    assert {code: share for code, share in kept.items() if share < 0.9} == {}
