"""What Ray costs: wall time of one study on Ray and on this machine alone, with the same slots. Both from scratch.

    python scripts/ray_overhead.py [slots] [key=value ...]

The study is the embedded one, unless `key=value` says otherwise; `epochs=3` makes it shorter.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

SWEEP = str(Path(__file__).with_name("sweep.py"))


def seconds(out: Path, slots: str, words: list[str]) -> float:
    """Wall time of a whole sweep, from the shell to its report, s."""
    start = time.monotonic()
    command = [sys.executable, SWEEP, *words, "--jobs", slots, "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def main(slots: str, words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        local = seconds(Path(place) / "local", slots, words)
        print(f"local {local:7.1f} s", flush=True)
        ray = seconds(Path(place) / "ray", slots, [*words, "--executor", "ray", "--ray-address", "local"])
        print(f"ray   {ray:7.1f} s, its start and end included\nratio {ray / local:7.3f}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "2", sys.argv[2:])
