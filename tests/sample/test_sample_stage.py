import itertools
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text

from gptkit.cli.main import program
from gptkit.cli.options import start
from gptkit.cli.report import print_table
from gptkit.data.manifest import read_manifest
from gptkit.sample import draw
from gptkit.sample.settings import SampleSettings
from gptkit.sample.stage import run

WORDS = "the of and to a in that is was for on are with as his they be at one have this from or had by hot word but some".split()

ELSEWHERE = [entry for entry in sys.path if Path(entry).name != "site-packages"]  # Python itself


def prose(seed, words=90):
    """Sentences that differ from one another."""
    return (
        " ".join(f"{WORDS[(seed * 7 + i * i) % len(WORDS)]}{'.' if i % 13 == 12 else ''}" for i in range(words))
        + f" of {seed}."
    )


def package(site, name, modules):
    info = site / f"{name}-2.5.dist-info"
    info.mkdir(parents=True)
    files = []
    for number in range(modules):
        path = site / name / f"part{number:02d}.py"
        path.parent.mkdir(exist_ok=True)
        seed = number + 1000 * len(name)
        path.write_text(
            f'"""{prose(seed)} Written by someone@{name}.example.org, at 0x7f00deadbeef."""\n'
            f'def work(n, size=3):\n    """{prose(seed + 500)}\n\n    Parameters\n    ----------\n    n : int\n        {prose(seed + 700, 15)}\n    """\n'
        )
        files.append(path)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.5\n\n# The {name}\n\n{prose(len(name))}\n"
    )
    (info / "LICENSE").write_text(prose(5, 200))
    files += [info / "METADATA", info / "LICENSE"]
    (info / "RECORD").write_text("".join(f"{file.relative_to(site)},,\n" for file in files))


@pytest.fixture(scope="module", autouse=True)
def _loaded():
    """What is loaded when it is first needed must be loaded before site-packages is out of the path."""
    print_table("", [("", "")])


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    package(folder, "alpha", 40)
    package(folder, "betabeta", 12)
    package(folder, "gammagamma", 3)
    (folder / "gammagamma/part00.py").write_bytes(b'"""x"""\n\xff')
    (folder / "gammagamma/part01.py").write_text('"""x"""\nx = ' + "[" * 3000)
    monkeypatch.setattr(sys, "path", [str(folder), *ELSEWHERE])
    monkeypatch.setattr(draw, "GROUP", 4000)
    return folder


SETTINGS = SampleSettings(sources=("packages", "prose"), shard_size=15_000)


def sample(output, settings=SETTINGS, workers=0, **options):
    with start(workers, options.get("limit"), False, False, True) as runtime:
        return run(output, settings, runtime)


def pages(output):
    for path in sorted(output.glob("*.warc.gz")):
        with open(path, "rb") as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.response, verify_digests=True):
                yield (
                    path.name,
                    record.headers["WARC-Target-URI"],
                    record.headers["WARC-Record-ID"],
                    record.reader.read().decode(),
                )


def contents(output):
    return {path.name: path.read_bytes() for path in output.glob("*.warc.gz")}


def test_the_crawl_holds_the_documentation_and_cleaning_finds_it(site, tmp_path):
    manifest = sample(tmp_path / "out")
    found = list(pages(tmp_path / "out"))
    assert len(found) == sum(shard.rows for shard in manifest.shards)
    assert {shard.kind for shard in manifest.shards} == {"crawl"}
    assert Counter(shard.source for shard in manifest.shards)["packages"] > 1
    assert len({identity for _, _, identity, _ in found}) == len({url for _, url, _, _ in found}) == len(found)
    (page,) = (html for _, url, _, html in found if url == "https://alpha.example/en/stable/library/alpha.part07.html")
    text = extract_plain_text(page, main_content=True)
    for expected in (prose(5007), prose(5507), prose(5707, 15), "work(n, size=3)"):
        assert " ".join(expected.split()) in " ".join(text.split())
    for boilerplate in ("Report a bug", "Search", "Previous", "All rights reserved", "alpha.part05", "Privacy"):
        assert boilerplate in page
        assert boilerplate not in text


def test_nothing_of_people_or_the_machine_is_in_it(site, tmp_path):
    sample(tmp_path / "out")
    for _, url, _, html in pages(tmp_path / "out"):
        assert re.fullmatch(r"https://[a-z]+\.example/[\w./-]+", url)
        assert not re.search(r"\w@\w|0x[0-9a-f]{4}", html)
        for private in (str(site), str(Path.home()), os.uname().nodename + "."):
            assert private not in html


def test_near_duplicates_as_real_sites_have(site, tmp_path):
    sample(tmp_path / "out")
    urls = [url for _, url, _, _ in pages(tmp_path / "out")]
    assert any("/latest/" in url for url in urls)
    assert any("/print/" in url for url in urls)
    licences = [html for _, url, _, html in pages(tmp_path / "out") if "/about/LICENSE" in url]
    assert len(licences) >= 3
    assert len({extract_plain_text(html, main_content=True).split("LICENSE", 1)[1] for html in licences}) == 1


def test_equal_bytes_for_any_number_of_workers_and_order_of_the_file_system(site, tmp_path, monkeypatch):
    first = sample(tmp_path / "a")
    assert sample(tmp_path / "b", workers=2).digest == first.digest
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda *arguments: sorted(listdir(*arguments), reverse=True))
    assert sample(tmp_path / "c").digest == first.digest
    assert contents(tmp_path / "a") == contents(tmp_path / "b") == contents(tmp_path / "c")


def test_equal_bytes_wherever_packages_are_installed(site, tmp_path, monkeypatch):
    first = sample(tmp_path / "a")
    moved = tmp_path / "elsewhere/site-packages"
    moved.parent.mkdir()
    site.rename(moved)
    monkeypatch.setattr(sys, "path", [str(moved), *ELSEWHERE])
    assert sample(tmp_path / "b").digest == first.digest


def test_the_target_bounds_what_is_drawn(site, tmp_path):
    everything = sample(tmp_path / "a").counts
    some = sample(tmp_path / "b", SampleSettings(sources=("packages",), target=8000)).counts
    assert 8000 <= some["prose_bytes"] < 15_000 < everything["prose_bytes"]
    assert 0 < some["pages"]["packages"] < everything["pages"]["packages"]
    # every package gives a group before any gives a second one
    hosts = {url.split("/")[2] for _, url, _, _ in pages(tmp_path / "b")}
    assert {"alpha.example", "betabeta.example"} <= hosts


def test_another_seed_draws_others(site, tmp_path):
    settings = [SampleSettings(sources=("packages",), target=8000, seed=seed) for seed in (0, 1)]
    first, second = (sample(tmp_path / str(s.seed), s) for s in settings)
    assert contents(tmp_path / "0") != contents(tmp_path / "1")
    assert first.digest != second.digest


def test_the_limit_is_the_first_pages_of_each_source(site, tmp_path):
    sample(tmp_path / "all")
    limited = sample(tmp_path / "some", limit=4)
    assert limited.counts["pages"] == {"packages": 4, "prose": 4}
    by_source = itertools.groupby(pages(tmp_path / "all"), lambda page: page[0].split("-")[0])
    expected = [page[1:] for _, group in by_source for page in itertools.islice(group, 4)]
    assert [page[1:] for page in pages(tmp_path / "some")] == expected


def test_unreadable_sources_are_counted(site, tmp_path):
    skipped = sample(tmp_path / "out").counts["modules_skipped"]
    assert skipped.pop("does not parse") + skipped.pop("nested too deeply", 0) == 2
    assert skipped == {}


def test_a_new_version_of_a_package_makes_another_plan(site, tmp_path):
    first = sample(tmp_path / "a")
    metadata = site / "alpha-2.5.dist-info/METADATA"
    metadata.write_text(metadata.read_text().replace("2.5", "2.6"))
    assert sample(tmp_path / "b").plan.inputs != first.plan.inputs


def test_the_command(site, tmp_path):
    arguments = ["sample", str(tmp_path / "out"), "--sources", "packages,prose", "--workers", "0", "--json"]
    result = CliRunner().invoke(program, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["digest"] == read_manifest(tmp_path / "out").digest
    assert "less than the 7.2 MB asked for" in result.stderr
    again = CliRunner().invoke(program, arguments[:-1])
    assert again.stdout == ""
    assert re.search(r"pages: packages +\d+ *\n", again.stderr)


def test_the_standard_library_as_it_is(tmp_path):
    sample(tmp_path / "out", SampleSettings(sources=("stdlib",), target=1), limit=150)
    texts = [extract_plain_text(html, main_content=True) for _, _, _, html in pages(tmp_path / "out")]
    assert len(texts) == 150
    assert sum(len(text.encode()) for text in texts) > 200_000
    prefix = str(Path(os.__file__).parent)
    assert not any(prefix in text or re.search(r"[\w.]+@\w+\.\w", text) for text in texts)


@pytest.mark.slow
def test_the_default_holds_enough(tmp_path):
    sample(tmp_path / "out", SampleSettings(), workers=2)
    texts = {extract_plain_text(html, main_content=True) for _, _, _, html in pages(tmp_path / "out")}
    assert sum(len(text.encode()) for text in texts if len(text.split()) >= 50) > 5_000_000
