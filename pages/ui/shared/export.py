"""Files to download."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

__all__ = ["arrays"]


def arrays(settings: dict[str, Any], **named: np.ndarray) -> bytes:
    """Arrays as `.npz`, and beside them `settings` as JSON."""
    out = io.BytesIO()
    np.savez_compressed(out, settings=np.array(json.dumps(settings)), **named)
    return out.getvalue()
