"""Reads one MATLAB file in a process of its own, as a script: scipy's reader can crash on damage.

    python matlab_reader.py FILE FOLDER

Writes each array into the folder as `.npy`. The last line of its output says their names, or what
is wrong, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(file: str, folder: Path) -> dict[str, object]:
    """Reads the file; what it says goes to the process that asked."""
    import numpy as np
    from scipy.io import loadmat

    try:
        found = loadmat(file)
    except MemoryError:
        return {"refused": "unpacks to far more than its bytes. Save the images alone."}
    except Exception as error:  # scipy raises errors of many types on damaged bytes
        return {"damaged": str(error)[:300]}
    names: list[str] = []
    for name, value in found.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "buifSU":
            np.save(folder / f"{len(names)}.npy", value, allow_pickle=False)
            names.append(name)
    return {"names": names}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
