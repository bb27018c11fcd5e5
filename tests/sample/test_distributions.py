import json
import sys
from pathlib import Path

import pytest

from gptkit.sample.distributions import installed, standard_library

ELSEWHERE = [entry for entry in sys.path if Path(entry).name != "site-packages"]  # Python itself


def install(site, name, files, metadata=None, record=True, direct_url=None, version="1.0"):
    """Writes a package as an installer does."""
    info = f"{name}-{version}.dist-info"
    description = (
        metadata
        or f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: About {name}.\n\n# {name}\n\nText.\n"
    )
    files = {**files, f"{info}/METADATA": description}
    if direct_url:
        files[f"{info}/direct_url.json"] = json.dumps(direct_url)
    for path, text in files.items():
        target = site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
    if record:
        (site / info / "RECORD").write_text("".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]))


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder), *ELSEWHERE])
    return folder


def test_modules_and_texts(site):
    install(
        site,
        "Some_Package",
        {
            "some/__init__.py": "1",
            "some/core.py": "1",
            "some/core.pyi": "1",
            "some/fast.pyi": "1",
            "some/tests/test_core.py": "1",
            "some/test_other.py": "1",
            "some/_vendor/other.py": "1",
            "some/empty.py": "",
            "some/table.py": b"#" * 1_000_001,
            "some/README.rst": "text",
            "Some_Package-1.0.dist-info/licenses/LICENSE": "text",
            "some/data.csv": "1",
            "../../bin/script.py": "1",
            "name space/odd.py": "1",
        },
    )
    (package,), skipped = installed()
    assert (package.name, package.version) == ("some-package", "1.0")
    assert [module.name for module in package.modules] == ["name space.odd", "some", "some.core", "some.fast"]
    assert package.modules[2].path == site / "some/core.py"
    assert [name for name, _ in package.texts] == ["licenses/LICENSE", "some/README.rst"]
    assert not skipped


def test_what_is_left_out_and_why(site):
    install(site, "good", {"good.py": "1"})
    install(site, "pip", {"pip/__init__.py": "1"})
    install(site, "gptkit", {"gptkit/__init__.py": "1"})
    install(site, "norecord", {"norecord.py": "1"}, record=False)
    install(site, "edited", {}, direct_url={"url": "file:///x", "dir_info": {"editable": True}})
    install(site, "nameless", {}, metadata="Metadata-Version: 2.1\n\n")
    install(site, "broken", {}, direct_url=["odd"])
    (site / "zipped-1.0.egg").write_bytes(b"PK\x05\x06" + bytes(18))
    packages, skipped = installed()
    assert [package.name for package in packages] == ["good"]
    assert skipped == {
        "left out": 2,
        "no list of files": 1,
        "editable": 1,
        "no name or version": 1,
        "broken metadata": 1,
    }


def test_listed_but_missing_files(site):
    install(site, "gone", {"gone/a.py": "1", "gone/b.py": "1"})
    (site / "gone/b.py").unlink()
    (package,), _ = installed()
    assert [module.name for module in package.modules] == ["gone.a"]


def test_two_versions_and_two_folders_give_the_same_one(site, tmp_path, monkeypatch):
    install(site, "twice", {"twice.py": "1"}, version="1.0")
    install(site, "twice", {"twice.py": "1"}, version="1.1")
    other = tmp_path / "user/site-packages"
    install(other, "twice", {"twice.py": "1"}, version="9.0")
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(site), str(other), ""])
    (package,), _ = installed()
    assert package.version == "1.1"


def test_the_standard_library():
    names = [module.name for module in standard_library().modules]
    assert names == sorted(names)
    assert {"json", "json.decoder", "os", "pydoc_data.topics", "asyncio.events"} <= set(names)
    assert not [name for name in names if ".test" in name or "site-packages" in name or name.startswith("test")]
    assert len(names) == len(set(names))
