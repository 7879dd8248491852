"""Reads damaged files of every kind until the time is up, and says which were not refused well.

    FUZZ_SECONDS=3600 python benchmarks/fuzz.py

Each number of a seed is one file; those of the tests come first, then ever new ones. None may take
more than the tests allow: 5 s of a processor, and 500 MB beyond what was there.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from limits import Limits  # noqa: E402
from mutations import KINDS, attempt  # noqa: E402


def main() -> int:
    """Reads on until the time is up; 1 if something went wrong."""
    until = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "3600"))
    counts: Counter[str] = Counter()
    wrong = 0
    seed = int(os.environ.get("FUZZ_SEED", "0"))
    while time.monotonic() < until:
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as place:
                os.environ["LATENT_DATA"] = str(Path(place) / "data")
                limits = Limits()
                try:
                    words = attempt(kind, seed, Path(place))
                    counts["refused" if words else "taken"] += 1
                except Exception:
                    wrong += 1
                    print(f"{kind}, seed {seed}:\n{traceback.format_exc()}", flush=True)
                if taken := limits.exceeded():
                    wrong += 1
                    print(f"{kind}, seed {seed}: {taken}", flush=True)
        seed += 1
    print(f"{counts['refused']:,} refused, {counts['taken']:,} taken, {wrong:,} wrong; to {seed}.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
