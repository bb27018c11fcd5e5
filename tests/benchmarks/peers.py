"""The environment of the libraries gptkit is measured against, and scripts that run in it.

    python tests/benchmarks/peers.py                    makes it, and prints its Python
    python tests/benchmarks/peers.py SCRIPT [ARGUMENT…] runs a script in it

Peers pin versions that clash with gptkit's, so they live in `.venv-peers` below the repository
(700 MB, half a minute), made from peers.txt when it is missing or older than that list.
GPTKIT_PEERS names another environment's Python. datatrove's WARC reader needs libmagic (Debian: libmagic1).
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PINS = Path(__file__).with_name("peers.txt")
HOME = Path(__file__).parents[2] / ".venv-peers"


def python() -> str:
    """The path of the peers' Python; makes the environment where it is missing."""
    if named := os.environ.get("GPTKIT_PEERS"):
        return named
    ready, found = HOME / ".ready", HOME / "bin" / "python"
    if not ready.exists() or ready.stat().st_mtime < PINS.stat().st_mtime:
        print(f"peers: making {HOME} from {PINS.name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", HOME], check=True)
        (HOME / ".gitignore").write_text("*\n")
        # gptkit's own constraints do not hold here
        environment = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
        subprocess.run([found, "-m", "pip", "install", "--quiet", "-r", PINS], check=True, env=environment)
        ready.touch()
    return str(found)


def run(script: str, *arguments: str | Path) -> Any:
    """Runs a script of this folder among the peers and returns the JSON it prints. Raises SystemExit where it fails."""
    command = [python(), str(Path(__file__).with_name(script)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr[-2000:].strip()}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(subprocess.run([python(), *sys.argv[1:]]).returncode)
    print(python())
