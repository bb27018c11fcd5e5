"""Whole runs against a plain-Python version: exact Jaccard of word n-grams, buckets in a dictionary, stars in a loop."""

import datetime
import math
import random
from collections import defaultdict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gptkit.data import portions
from gptkit.dedup import documents, records
from gptkit.dedup.curve import scheme_of
from gptkit.dedup.settings import DedupSettings
from gptkit.dedup.signatures import sign
from gptkit.dedup.stage import run
from gptkit.engine.pool import Pool
from gptkit.engine.progress import Progress
from gptkit.engine.stage import Runtime
from gptkit.errors import GptkitError, UsageError

WORDS = [f"word{i}" for i in range(5000)]


def text(seed, length=80):
    return random.Random(seed).choices(WORDS, k=length)


def edited(words, share, seed):
    generator = random.Random(seed)
    return [generator.choice(WORDS) if generator.random() < share else word for word in words]


def family(seed, members=6, length=80):
    """Texts around one, of which some are equal, some are edits of edits, and some differ in case and signs only."""
    generator = random.Random(seed)
    known = [text(seed, length)]
    found = [" ".join(known[0])]
    for member in range(1, members):
        kind = generator.random()
        if kind < 0.2:
            found.append(generator.choice(found))
        elif kind < 0.4:
            found.append(generator.choice(found).upper().replace(" ", ", ") + "!")
        else:
            share = generator.choice([0.005, 0.01, 0.02, 0.04, 0.06])
            known.append(edited(generator.choice(known), share, f"{seed} {member}"))
            found.append(" ".join(known[-1]))
    return found


def collection(seed, families=14):
    """Documents of families, mixed, with some that have hardly any words."""
    generator = random.Random(seed)
    texts = [member for number in range(families) for member in family(f"{seed} {number}", generator.randint(1, 9))]
    texts += ["", "", "...", "?!", "one", "One", "one two three", "one two three", "one two three four"]
    generator.shuffle(texts)
    return [
        {
            "id": f"{seed}-{place}",
            "text": text,
            "quality": generator.choice([None, float("nan"), 0.5, generator.random()]),
        }
        for place, text in enumerate(texts)
    ]


def write(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)
    return str(path)


def shards(output, manifest, kind):
    return [row for shard in manifest.of_kind(kind) for row in pq.read_table(output / shard.name).to_pylist()]


def kept(output, manifest):
    return [row["id"] for row in shards(output, manifest, "documents")]


def words_of(text):
    for sign_ in ",.!?":
        text = text.replace(sign_, " ")
    return text.lower().split()


def grams(text, size):
    words = words_of(text)
    return {tuple(words[place : place + size]) for place in range(max(1, len(words) - size + 1))} if words else set()


def jaccard(one, other):
    return len(one & other) / len(one | other)


def merit(row, keep):
    value = len(row["text"]) if keep == "longest" else row["quality"] if keep == "highest" else 0
    return -math.inf if value is None or math.isnan(value) else value


def expected(rows, settings):
    """What becomes of documents (with `source` and `role`), in order: (place of the kept one, reason, similarity)."""
    scheme = scheme_of(settings)
    pinned = [row["role"] == "reference" or row["source"] in settings.protect for row in rows]
    tier = [
        -2
        if row["role"] == "reference"
        else -1
        if row["source"] in settings.protect
        else settings.prefer.index(row["source"])
        if row["source"] in settings.prefer
        else len(settings.prefer)
        for row in rows
    ]

    def wanted(place):
        return tier[place], -merit(rows[place], settings.keep), place

    fates = {}
    equal = defaultdict(list)
    for place, row in enumerate(rows):
        equal[" ".join(words_of(row["text"])) if settings.normalise else row["text"]].append(place)
    for places in equal.values():
        first, *others = sorted(places, key=wanted)
        fates |= {place: (first, "exact", 1.0) for place in others if not pinned[place]}
    if not settings.near:
        return fates
    left = [place for place in range(len(rows)) if place not in fates]
    sets = {place: grams(rows[place]["text"], scheme.ngram) for place in left}
    texts = pa.array([rows[place]["text"] for place in left])
    signatures = sign(texts, scheme.ngram, scheme.permutations, settings.seed, settings.base_hash)
    parent = {place: place for place in left}

    def root(place):
        return place if parent[place] == place else root(parent[place])

    buckets = {}
    for place, signature in zip(left, signatures, strict=True):
        for band in range(scheme.bands if sets[place] else 0):
            key = band, signature[band * scheme.rows : (band + 1) * scheme.rows].tobytes()
            parent[root(place)] = root(buckets.setdefault(key, place))
    components = defaultdict(list)
    for place in left:
        components[root(place)].append(place)
    near = {}
    for places in components.values():
        stay = []
        for place in sorted(places, key=wanted):
            for other in [] if pinned[place] else stay:
                similarity = jaccard(sets[place], sets[other])
                if not settings.verify or similarity >= scheme.threshold:
                    near[place] = other, "near", similarity if settings.verify else None
                    break
            else:
                stay.append(place)
    return {place: near.get(fate[0], fate) for place, fate in fates.items()} | near


def check(tmp_path, runtime, sources, settings, references=None):
    """Runs on sources (name: rows) and compares all that is written with what is expected."""
    rows = [row | {"source": name, "role": "input"} for name in sorted(sources) for row in sources[name]]
    inputs = [f"{name}={write(tmp_path / f'{name}.parquet', sources[name])}" for name in sources]
    for name in sorted(references or {}):
        write(tmp_path / f"{name}.parquet", references[name])
        rows += [row | {"source": name, "role": "reference"} for row in references[name]]
    manifest = run(inputs, tmp_path / "out", settings, runtime)
    fates = expected(rows, settings)
    documents_in = [place for place, row in enumerate(rows) if row["role"] == "input"]
    stay = [rows[place] for place in documents_in if place not in fates]
    written = shards(tmp_path / "out", manifest, "documents")
    assert [(row["source"], row["id"], row["text"]) for row in written] == [
        (row["source"], row["id"], row["text"]) for row in stay
    ]
    kept_ones = {fate[0] for fate in fates.values()}
    clusters = shards(tmp_path / "out", manifest, "clusters")
    found = []
    for row in clusters:
        similarity = row.pop("jaccard")
        found.append((row["source"], row["id"], row["kept_source"], row["kept_id"], row["kept_in"], row["reason"]))
        fate = fates.get(place_of(rows, row))
        wanted_similarity = 1.0 if fate is None else fate[2]
        assert similarity is None if wanted_similarity is None else similarity == pytest.approx(wanted_similarity)
        assert row["kept"] == (fate is None)
    wanted = []
    for place in documents_in:
        if place in fates or place in kept_ones:
            other, reason, _ = fates.get(place, (place, "kept", 1))
            wanted.append(
                (*name_of(rows[place]), *name_of(rows[other]), rows[other]["role"], reason),
            )
    assert found == wanted
    groups = defaultdict(set)
    for row in clusters:
        groups[row["cluster"]].add((row["kept_source"], row["kept_id"]))
    assert all(len(names) == 1 for names in groups.values())
    assert len({name for names in groups.values() for name in names}) == len(groups)
    counts = manifest.counts
    assert counts["rejected"] == {
        reason: sum(fate[1] == reason for fate in fates.values()) for reason in ("exact", "near")
    }
    assert (counts["documents_in"], counts["documents_out"]) == (len(documents_in), len(stay))
    assert sum(counts["cluster_sizes"].values()) == counts["clusters"] == len(kept_ones)
    assert counts["for_reference_or_index"] == sum(rows[fate[0]]["role"] == "reference" for fate in fates.values())
    for name, rates in counts["sources"].items():
        gone = [fates[place] for place in documents_in if place in fates and rows[place]["source"] == name]
        assert rates["documents_in"] == len(sources[name])
        assert rates["exact"] == sum(fate[1] == "exact" for fate in gone)
        assert rates["near"] == sum(fate[1] == "near" for fate in gone)
    assert (tmp_path / "out" / ".work").exists() is False
    return manifest, fates


def name_of(row):
    return row["source"], row["id"]


def place_of(rows, wanted):
    return next(place for place, row in enumerate(rows) if name_of(row) == name_of(wanted) and row["role"] == "input")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"threshold": 0.8},
        {"threshold": 0.5, "bands": 30, "rows": 3, "ngram": 3, "seed": 7},
        {"normalise": True},
        {"near": False},
        {"near": False, "normalise": True, "keep": "longest"},
        {"verify": False},
        {"verify": False, "keep": "highest", "prefer": ("web",)},
        {"preset": "gpt3"},
        {"preset": "gpt3", "verify": False},
        {"base_hash": "sha1"},
        {"keep": "longest"},
        {"keep": "highest", "threshold": 0.75},
        {"prefer": ("wiki", "books")},
        {"protect": ("wiki",)},
        {"protect": ("wiki",), "verify": False},
        {"protect": ("wiki", "web"), "keep": "highest", "normalise": True},
        {"prefer": ("web",), "protect": ("books",), "keep": "longest"},
    ],
    ids=str,
)
def test_all_that_is_written_is_what_the_plain_version_says(tmp_path, runtime, values):
    rows = collection(str(values))
    sources = {"web": rows[::2], "books": rows[1::4], "wiki": rows[3::4]}
    _, fates = check(tmp_path, runtime, sources, DedupSettings(**values))
    assert len(fates) > 10


@pytest.mark.parametrize(
    "values", [{}, {"keep": "longest"}, {"protect": ("wiki",)}, {"verify": False}, {"near": False}]
)
def test_what_is_near_a_reference_goes_and_the_reference_is_not_written(tmp_path, runtime, values):
    rows = collection(f"against {values}")
    references = {"heldout": rows[::5], "older": rows[1::5]}
    paths = tuple(str(tmp_path / f"{name}.parquet") for name in references)
    sources = {"web": rows[2::5] + rows[3::5], "wiki": rows[4::5]}
    manifest, fates = check(tmp_path, runtime, sources, DedupSettings(against=paths, **values), references)
    assert manifest.counts["for_reference_or_index"] > 3
    assert len(fates) > manifest.counts["for_reference_or_index"]


@pytest.mark.parametrize("share", [0.01, 0.02, 0.05])
def test_found_pairs_follow_the_s_curve(tmp_path, runtime, share):
    rows, chances = [], []
    settings = DedupSettings(verify=False)
    for number in range(150):
        words = text(f"{share} {number}", 200)
        pair = [" ".join(words), " ".join(edited(words, share, number))]
        chances.append(scheme_of(settings).probability(jaccard(*(grams(one, 5) for one in pair))))
        rows += [{"id": f"{number}{place}", "text": one} for place, one in zip("ab", pair, strict=True)]
    manifest = run([write(tmp_path / "in.parquet", rows)], tmp_path / "out", settings, runtime)
    deviation = sum(chance * (1 - chance) for chance in chances) ** 0.5
    found = manifest.counts["rejected"]
    assert abs(found["near"] + found["exact"] - sum(chances)) <= 5 * deviation + 1


def test_portions_and_memory_change_nothing(tmp_path, runtime, monkeypatch):
    rows = collection("portions", 30)
    write(tmp_path / "in.parquet", rows)
    whole = run([str(tmp_path / "in.parquet")], tmp_path / "whole", DedupSettings(save_signatures=True), runtime)
    monkeypatch.setattr(records, "LEAST_SHARE", 1)
    for share in (4_000, 40_000):  # of memory for one task, in bytes
        settings = DedupSettings(save_signatures=True, memory=records.WORKER_BYTES + share)
        other = run([str(tmp_path / "in.parquet")], tmp_path / str(share), settings, runtime)
        assert other.digest == whole.digest
    monkeypatch.setattr(portions, "PORTION_BYTES", 3_000)
    many = run([str(tmp_path / "in.parquet")], tmp_path / "many", DedupSettings(save_signatures=True), runtime)
    assert len(many.of_kind("documents")) > 5
    for kind in ("documents", "clusters", "signatures"):
        found, wanted = (str(shards(tmp_path / name, of, kind)) for name, of in (("many", many), ("whole", whole)))
        assert found == wanted  # as text: NaN is NaN there


class Stopped(Exception):
    pass


@pytest.mark.parametrize("name", ["sign_portion", "join_buckets", "gather_sets", "resolve_components", "write_portion"])
def test_a_stopped_run_goes_on_whatever_memory_and_workers_it_has_then(tmp_path, runtime, monkeypatch, name):
    monkeypatch.setattr(records, "LEAST_SHARE", 1)
    monkeypatch.setattr(portions, "PORTION_BYTES", 6_000)
    path = write(tmp_path / "in.parquet", collection("stopped", 20))
    whole = run([path], tmp_path / "whole", DedupSettings(), runtime)
    small = DedupSettings(memory=records.WORKER_BYTES + 10_000)
    done = getattr(documents, name)
    calls = []

    def stopping(task):
        calls.append(task)
        if len(calls) == 3:
            raise Stopped
        return done(task)

    monkeypatch.setattr(documents, name, stopping)
    with pytest.raises(Stopped):
        run([path], tmp_path / "out", small, runtime)
    monkeypatch.setattr(documents, name, done)
    again = run([path], tmp_path / "out", DedupSettings(memory=records.WORKER_BYTES + 100_000), runtime)
    assert again.digest == whole.digest


DAY = datetime.date(2024, 3, 1)
DATES = {
    "strings": pa.array(["2024-01-31", "2024-02-01T10:00:00Z", None, "yesterday", " 2024-02-01T11:30:00+02:00 "]),
    "dates": pa.array([DAY, DAY.replace(day=2), None, None, DAY]),
    "64-bit dates": pa.array([DAY, DAY.replace(day=2), None, None, DAY], pa.date64()),
    "seconds": pa.array([1, 5, None, -7, 4], pa.timestamp("s")),
    "nanoseconds": pa.array([1_000, 5_001, None, -7, 5_000], pa.timestamp("ns")),
    "with a zone": pa.array([1, 5, None, -7, 4], pa.timestamp("ms", "Asia/Tokyo")),
    "numbers": pa.array([1.5, math.inf, None, math.nan, 2.0]),
    "whole numbers": pa.array([2019, 2024, None, -1, 2020]),
    "a dictionary": pa.array(["2024-01-31", "2024-03-01", None, "", "2024-02-01"]).dictionary_encode(),
}


@pytest.mark.parametrize("column", DATES.values(), ids=DATES)
@pytest.mark.parametrize("name", ["date", "crawled"])
def test_the_newest_stays(tmp_path, runtime, column, name):
    words = text("newest")
    texts = [" ".join(words)] * 2 + [" ".join([*words[:place], "x", *words[place + 1 :]]) for place in (3, 5, 7)]
    table = pa.table({"id": list("abcde"), "text": texts, name: column})
    pq.write_table(table, tmp_path / "in.parquet")
    settings = DedupSettings(keep="newest", keep_column=None if name == "date" else name)
    manifest = run([str(tmp_path / "in.parquet")], tmp_path / "out", settings, runtime)
    assert kept(tmp_path / "out", manifest) == ["b"]


def test_a_column_that_the_keep_rule_goes_by_must_be_there_and_fit(tmp_path, runtime):
    path = write(tmp_path / "in.parquet", [{"id": "a", "text": "x", "grade": "good", "n": 1}])
    for values, message in [
        ({"keep": "highest"}, "no document has the column 'quality'"),
        ({"keep": "newest"}, "no document has the column 'date'"),
        ({"keep": "newest", "keep_column": "when"}, "no document has the column 'when'"),
        ({"keep": "highest", "keep_column": "grade"}, "the column 'grade' is string, not a number"),
        ({"keep": "highest", "keep_column": "text"}, "goes by no 'text'"),
        ({"keep": "newest", "keep_column": "id"}, "goes by no 'id'"),
    ]:
        with pytest.raises(GptkitError, match=message):
            run([path], tmp_path / "out", DedupSettings(**values), runtime)
        assert not (tmp_path / "out").exists()
    for option in ("prefer", "protect"):
        with pytest.raises(UsageError, match=f"--{option}: no source is named 'wiki'; there are in"):
            run([path], tmp_path / "out", DedupSettings(**{option: ("wiki",)}), runtime)


def test_short_documents_have_one_shingle_of_all_their_words(tmp_path, runtime):
    texts = ["", "", ".", "...", "a b", "A b!", "b a", "a b c d", "a b c d e", "x", "x"]
    rows = [{"id": str(place), "text": text} for place, text in enumerate(texts)]
    manifest = run([write(tmp_path / "in.parquet", rows)], tmp_path / "out", DedupSettings(), runtime)
    assert kept(tmp_path / "out", manifest) == ["0", "2", "3", "4", "6", "7", "8", "9"]
    normalised = run(
        [str(tmp_path / "in.parquet")], tmp_path / "normalised", DedupSettings(normalise=True, near=False), runtime
    )
    assert kept(tmp_path / "normalised", normalised) == ["0", "4", "6", "7", "8", "9"]


CHINESE = (
    "人工智能是计算机科学的一个分支它企图了解智能的实质并生产出一种新的能以人类智能相似的方式做出反应的智能机器该领域的研究包括机器人语言识别图像识别自然语言处理和专家系统等"
    "从诞生以来理论和技术日益成熟应用领域也不断扩大可以设想未来带来的科技产品将会是人类智慧的容器"
)
THAI = (
    "ปัญญาประดิษฐ์หมายถึงความฉลาดเทียมที่สร้างขึ้นให้กับสิ่งที่ไม่มีชีวิตเป็นสาขาหนึ่งในด้านวิทยาการคอมพิวเตอร์และวิศวกรรมเป็นหลัก"
    "แต่ยังรวมถึงศาสตร์ในด้านอื่นๆอย่างจิตวิทยาปรัชญาหรือชีววิทยาซึ่งสาขาปัญญาประดิษฐ์เป็นการเรียนรู้เกี่ยวกับกระบวนการการคิด"
)


@pytest.mark.parametrize("whole", [CHINESE, THAI], ids=["Chinese", "Thai"])
def test_text_without_spaces_is_compared_by_characters(tmp_path, runtime, whole):
    changed = whole[:40] + "中ก"["ก" <= whole[0] <= "๛"] + whole[41:]
    half = whole[: len(whole) // 2]
    texts = [whole, changed, half, whole[: len(whole) // 2] + half[::-1]]
    rows = [{"id": str(place), "text": text} for place, text in enumerate(texts)]
    manifest = run([write(tmp_path / "in.parquet", rows)], tmp_path / "out", DedupSettings(threshold=0.8), runtime)
    assert kept(tmp_path / "out", manifest) == ["0", "2", "3"]
    row = next(row for row in shards(tmp_path / "out", manifest, "clusters") if row["id"] == "1")
    assert (row["kept_id"], row["reason"]) == ("0", "near")
    if whole == CHINESE:  # each character is a word: five 5-grams hold the one that was changed
        total = len(whole) - 4
        assert row["jaccard"] == pytest.approx((total - 5) / (total + 5), abs=0.02)


def test_further_columns_keep_their_types_and_rows(tmp_path, runtime):
    columns = {
        "id": pa.array(["a", "b", "c", None]),
        "text": pa.array(["x y z", "x y z", None, "other words"], pa.large_string()),
        "url": pa.array(["http://a", None, "http://c", ""]),
        "tags": pa.array([["p", "q"], None, [], ["r"]]),
        "score": pa.array([1, None, 3, 4], pa.int16()),
        "meta": pa.array([{"n": 1}, {"n": 2}, None, {"n": 4}]),
        "when": pa.array([1, 2, 3, None], pa.timestamp("us", "UTC")),
        "raw": pa.array([b"\xff", b"", None, b"z"]),
        "kind": pa.array(["p", "q", "p", None]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), tmp_path / "web.parquet")
    manifest = run([str(tmp_path / "web.parquet")], tmp_path / "out", DedupSettings(), runtime)
    table = pq.read_table(tmp_path / "out" / manifest.of_kind("documents")[0].name)
    for name in ("tags", "score", "meta", "when", "raw", "kind"):
        assert table.schema.field(name).type == columns[name].type
        assert table.column(name).to_pylist() == [columns[name][place].as_py() for place in (0, 2, 3)]
    assert table.column("text").to_pylist() == ["x y z", "", "other words"]
    assert table.column("source").to_pylist() == ["web"] * 3
    assert table.column("url").to_pylist() == ["http://a", "http://c", ""]
    assert table.column("id").to_pylist()[:2] == ["a", "c"]
    assert len(table.column("id")[2].as_py()) == 32  # a hash of its place


def test_documents_that_have_one_id_are_told_apart_by_their_place(tmp_path, runtime):
    rows = [{"id": "same", "text": value} for value in ("a b c", "d e f", "a b c", "g h i")]
    manifest = run([write(tmp_path / "in.parquet", rows)], tmp_path / "out", DedupSettings(), runtime)
    assert [row["text"] for row in shards(tmp_path / "out", manifest, "documents")] == ["a b c", "d e f", "g h i"]
    assert [row["kept"] for row in shards(tmp_path / "out", manifest, "clusters")] == [True, False]


def test_a_corpus_without_documents(tmp_path, runtime):
    pq.write_table(
        pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())}), tmp_path / "a.parquet"
    )
    for values in ({}, {"near": False}, {"keep": "longest"}, {"verify": False}, {"save_signatures": True}):
        output = tmp_path / str(len(str(values)))
        manifest = run([str(tmp_path / "a.parquet")], output, DedupSettings(**values), runtime)
        assert (manifest.counts["documents_in"], kept(output, manifest)) == (0, [])


def test_an_empty_source_beside_others(tmp_path, runtime):
    pq.write_table(
        pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())}), tmp_path / "b.parquet"
    )
    paths = [write(tmp_path / f"{name}.parquet", [{"id": name, "text": "one two"}]) for name in "ac"]
    settings = DedupSettings(against=(str(tmp_path / "b.parquet"),), keep="longest")
    manifest = run([*paths, str(tmp_path / "b.parquet")], tmp_path / "out", DedupSettings(), runtime)
    assert kept(tmp_path / "out", manifest) == ["a"]
    assert kept(tmp_path / "more", run(paths, tmp_path / "more", settings, runtime)) == ["a"]


def test_a_component_of_over_ten_thousand_members(tmp_path):
    words = text("large", 30)
    spread = [[*words[:place], f"{place} {n}", *words[place + 1 :]] for n in range(380) for place in range(1, 29)]
    rows = [{"id": str(n), "text": " ".join(words)} for n, words in enumerate(spread)]
    said = []
    progress = Progress(quiet=True)
    progress.say = said.append
    path = tmp_path / "in.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    settings = DedupSettings(threshold=0.5)
    manifest = run([str(path)], tmp_path / "out", settings, Runtime(Pool(0), progress))
    (size,) = manifest.counts["large_components"]
    assert size > 10_000
    assert any("components have over 10,000 members" in line for line in said)
    by_id = {row["id"]: grams(row["text"], 5) for row in rows}
    clusters = shards(tmp_path / "out", manifest, "clusters")
    stay = set(kept(tmp_path / "out", manifest))
    for row in clusters:
        assert row["kept_id"] in stay
        similarity = jaccard(by_id[row["id"]], by_id[row["kept_id"]])
        assert row["jaccard"] == pytest.approx(similarity)
        assert similarity >= 0.5
    assert len(stay) < 0.05 * len(rows)
