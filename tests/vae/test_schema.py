"""Declared types: read by one module, and by many threads at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = """
from __future__ import annotations
import sys, threading, types
from vae import schema

FIELDS = "".join(f"    field{k}: KIND | None = None\\n" for k in range(30))
DECLARED = (
    "from __future__ import annotations\\nimport typing\\nimport msgspec\\n"
    "T = typing.TypeVar('T')\\n"
    f"class Inner(msgspec.Struct):\\n{FIELDS.replace('KIND', 'int')}"
    f"class Outer(msgspec.Struct, typing.Generic[T]):\\n{FIELDS.replace('KIND', 'T')}"
)
sys.setswitchinterval(1e-6)
for number in range(10):
    module = sys.modules[f"declared{number}"] = types.ModuleType(f"declared{number}")
    exec(DECLARED, module.__dict__)
    kind, start, read = module.Outer[module.Inner], threading.Barrier(8), []

    def decode():
        start.wait()
        read.append(schema.decode('{"field3": {"field4": 1}}', kind).field3.field4)

    threads = [threading.Thread(target=decode) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert read == [1] * 8
"""


def test_threads_may_read_a_declared_type_for_the_first_time_at_once():
    """Msgspec alone ends the process here: two first looks at one declaration meet."""
    done = subprocess.run([sys.executable, "-c", AT_ONCE], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:] or done.returncode


def test_declared_types_are_read_by_one_module():
    own = [*(ROOT / "pages").rglob("*.py"), *(ROOT / "vae").rglob("*.py"), ROOT / "app.py"]
    reads = re.compile(r"msgspec\.(json\.|msgpack\.|)(decode|Decoder|convert)\b|from msgspec\.")
    found = {path.relative_to(ROOT).as_posix() for path in own if reads.search(path.read_text())}
    assert found == {"vae/schema.py"}
