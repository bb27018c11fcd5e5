"""The environments of the libraries gptkit is measured against, and scripts that run in them.

    python tests/benchmarks/peers.py                    makes the first, and prints its Python
    python tests/benchmarks/peers.py SCRIPT [ARGUMENT…] runs a script in it

Peers pin versions that clash with gptkit's, and some with one another, so they live in `.venv-peers`
below the repository (700 MB, half a minute), in `.venv-peers-daft` (daft needs an older pyarrow) and in
`.venv-peers-shards` (Megatron-core needs torch), made from the lists of their names when they are missing or
older. GPTKIT_PEERS, GPTKIT_PEERS_DAFT and GPTKIT_PEERS_SHARDS name other environments' Pythons. datatrove's WARC reader needs libmagic (Debian: libmagic1).
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
HOME = FOLDER.parents[1]


def python(peers: str = "peers") -> str:
    """The path of the Python among `peers`, `peers-daft` or `peers-shards`; makes the environment where it is missing."""
    if named := os.environ.get(f"GPTKIT_{peers.upper().replace('-', '_')}"):
        return named
    pins, home = FOLDER / f"{peers}.txt", HOME / f".venv-{peers}"
    ready, found = home / ".ready", home / "bin" / "python"
    if not ready.exists() or ready.stat().st_mtime < pins.stat().st_mtime:
        print(f"peers: making {home} from {pins.name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        (home / ".gitignore").write_text("*\n")
        # gptkit's own constraints do not hold here
        environment = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
        subprocess.run([found, "-m", "pip", "install", "--quiet", "-r", pins], check=True, env=environment)
        ready.touch()
    return str(found)


def run(script: str, *arguments: str | Path, peers: str = "peers") -> Any:
    """Runs a script of this folder among the peers and returns the JSON it prints. Raises SystemExit where it fails."""
    command = [python(peers), str(FOLDER / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr[-2000:].strip()}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(subprocess.run([python(), *sys.argv[1:]]).returncode)
    print(python())
