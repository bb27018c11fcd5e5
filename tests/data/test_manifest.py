import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.data.manifest import FORMAT, NAME, Manifest, Plan, Shard, parse_manifest, read_manifest, stays_inside
from gptkit.errors import GptkitError

PLAN = Plan("demo", 1, {"size": 3, "names": ["x"]}, None, [{"name": "in", "digest": "abc"}])
SHARD = Shard("a/b.bin", 2, 4, "d" * 64, "web", "documents")
MANIFEST = Manifest(PLAN, [SHARD], {"tokens": 5}, {"kept": 2}, {"seconds": 1.5})


def test_the_digest_is_a_sha256_of_canonical_json_that_others_can_compute():
    import hashlib

    value = {
        "plan": dataclasses.asdict(PLAN),
        "facts": {"tokens": 5},
        "shards": [["a/b.bin", 2, 4, "d" * 64, "web", "documents"]],
    }
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    assert MANIFEST.digest == hashlib.sha256(text.encode()).hexdigest()


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5)))
def test_counts_times_and_paths_do_not_change_the_digest(values):
    assert dataclasses.replace(MANIFEST, counts=values).digest == MANIFEST.digest
    assert dataclasses.replace(MANIFEST, run=values).digest == MANIFEST.digest


OTHER_PLANS = [
    {"stage": "other"},
    {"version": 2},
    {"settings": {"size": 4, "names": ["x"]}},
    {"settings": {"size": 3, "names": ["x"], "more": None}},
    {"limit": 3},
    {"inputs": []},
    {"inputs": [{"name": "in", "digest": "abd"}]},
    {"inputs": [{"name": "on", "digest": "abc"}]},
]
OTHER_SHARDS = [
    {"name": "a/c.bin"},
    {"rows": 3},
    {"bytes": 5},
    {"sha256": "e" * 64},
    {"source": "x"},
    {"kind": "tokens"},
]


def test_everything_else_changes_the_digest():
    others = [dataclasses.replace(MANIFEST, plan=dataclasses.replace(PLAN, **change)) for change in OTHER_PLANS]
    others += [dataclasses.replace(MANIFEST, shards=[dataclasses.replace(SHARD, **change)]) for change in OTHER_SHARDS]
    others += [dataclasses.replace(MANIFEST, shards=shards) for shards in ([], [SHARD, SHARD])]
    others += [dataclasses.replace(MANIFEST, facts={"tokens": 6})]
    digests = {manifest.digest for manifest in [MANIFEST, *others]}
    assert len(digests) == 1 + len(others)
    plans = {plan.digest() for plan in [PLAN, *(dataclasses.replace(PLAN, **change) for change in OTHER_PLANS)]}
    assert len(plans) == 1 + len(OTHER_PLANS)


@pytest.mark.parametrize("change", OTHER_PLANS)
def test_a_difference_is_said_in_words(change):
    other = dataclasses.replace(PLAN, **change)
    words = PLAN.difference(other)
    assert words not in ("", "nothing")
    if "settings" in change:
        assert words in ("size: 4 there, 3 now", "more: None there, absent now")
    assert PLAN.difference(PLAN) == "nothing"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.bin").write_bytes(b"1234")
    shard = Shard.describe(tmp_path, tmp_path / "a/b.bin", 2, "web")
    dataclasses.replace(MANIFEST, shards=[shard]).write(tmp_path / NAME)
    return tmp_path


def change(folder, edit):
    value = json.loads((folder / NAME).read_text())
    edit(value)
    (folder / NAME).write_text(json.dumps(value))


def test_a_manifest_comes_back(folder):
    manifest = read_manifest(folder)
    # sha256sum of "1234"
    assert manifest.shards == [
        Shard("a/b.bin", 2, 4, "03ac674216f3e15c761ee1a5e255f067953623c8b388b4459e13f978d7c846f4", "web")
    ]
    assert dataclasses.replace(manifest, shards=[SHARD]) == MANIFEST
    assert manifest.of_kind("documents") == manifest.shards
    assert manifest.of_kind("tokens") == []


@pytest.mark.parametrize(
    "edit",
    [
        lambda value: value["plan"].update(limit=5),
        lambda value: value["shards"][0].update(rows=7),
        lambda value: value["facts"].update(tokens=7),
        lambda value: value.update(digest="0" * 64),
        lambda value: value.update(format=FORMAT + 1),
        lambda value: value.pop("shards"),
        lambda value: value.update(shards=3),
        lambda value: value["shards"].append(3),
        lambda value: value["plan"].pop("stage"),
        lambda value: value["plan"].update(colour="red"),
        lambda value: value.update(run=[]),
    ],
)
def test_a_manifest_changed_by_hand_is_refused(folder, edit):
    change(folder, edit)
    with pytest.raises(GptkitError, match="is not a manifest of this version of gptkit, or was changed by hand"):
        read_manifest(folder)


def test_what_stands_outside_the_digest_may_change(folder):
    change(folder, lambda value: value["run"].update(seconds=9))
    assert read_manifest(folder).run["seconds"] == 9


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", ".", ".."])
def test_names_that_leave_the_folder_are_refused_though_the_digest_is_right(folder, name):
    shard = dataclasses.replace(SHARD, name=name)
    dataclasses.replace(MANIFEST, shards=[shard]).write(folder / NAME)
    with pytest.raises(GptkitError, match="changed by hand"):
        parse_manifest(folder / NAME)
    assert not stays_inside(name)


def test_shards_are_looked_at(folder):
    (folder / "a/b.bin").write_bytes(b"12345")
    with pytest.raises(GptkitError, match=r"b\.bin: has 5 bytes and should have 4; make the stage again"):
        read_manifest(folder)
    (folder / "a/b.bin").unlink()
    with pytest.raises(GptkitError, match=r"b\.bin: is missing"):
        read_manifest(folder)
    assert parse_manifest(folder / NAME).shards[0].bytes == 4


def test_folders_that_hold_no_result(tmp_path):
    with pytest.raises(GptkitError, match="no such folder"):
        read_manifest(tmp_path / "x")
    with pytest.raises(GptkitError, match="not the output of a gptkit stage"):
        read_manifest(tmp_path)
    (tmp_path / ".work").mkdir()
    with pytest.raises(GptkitError, match="run the command that was writing it again"):
        read_manifest(tmp_path)
    (tmp_path / NAME).write_text("{")
    with pytest.raises(GptkitError, match="cannot be read as JSON"):
        read_manifest(tmp_path)
