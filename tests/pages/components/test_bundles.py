"""A component's scripts as one module under Streamlit, and as modules of their own without it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pages.ui.components import base
from pages.ui.components.base import bundle, styles

COMPONENTS = Path(base.__file__).parent

ENTRIES = sorted(
    file for file in COMPONENTS.glob("*/*.js") if "export default" in file.read_text()
)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda file: file.stem)
def test_a_bundle_is_one_module_that_mounts_the_component(page, scripts, entry):
    """No name is declared twice, none is missing, and nothing is imported by its path."""
    page.goto(f"{scripts}/page")
    kind = page.evaluate(
        """async (source) => {
            const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }))
            return typeof (await import(url)).default
        }""",
        bundle(entry),
    )
    assert kind == "function"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda file: file.stem)
def test_the_same_scripts_work_without_streamlit(run, entry):
    """What a page without a server needs: the class itself, of (element, data, send)."""
    (name,) = re.findall(r"^export default component\((\w+)", entry.read_text(), re.MULTILINE)
    assert run(str(entry.relative_to(COMPONENTS)), f"typeof {name}") == "function"


def test_a_bundle_holds_every_script_once(tmp_path):
    (tmp_path / "b.js").write_text("export const b = 1\n")
    (tmp_path / "a.js").write_text('import { b } from "./b.js"\n\nexport const a = b\n')
    (tmp_path / "c.js").write_text(
        'import { a } from "./a.js"\nimport { b } from "./b.js"\n\nexport default a + b\n'
    )
    joined = bundle(tmp_path / "c.js")
    assert re.findall(r"^(?:const|export default) .*", joined, re.MULTILINE) == [
        "const b = 1",
        "const a = b",
        "export default a + b",
    ]
    assert "import" not in joined


def test_what_a_script_imports_brings_its_styles(tmp_path):
    (tmp_path / "part.js").write_text("export const part = 1\n")
    (tmp_path / "part.css").write_text(".part {}\n")
    (tmp_path / "all.js").write_text('import { part } from "./part.js"\n\nexport default part\n')
    (tmp_path / "all.css").write_text(".all {}\n")
    assert styles(tmp_path / "all.js").split("\n") == [".part {}", "", ".all {}", ""]


@pytest.mark.parametrize(
    "file", sorted(COMPONENTS.parent.rglob("*.js")), ids=lambda file: file.stem
)
def test_scripts_have_one_style(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 320, "one sitting"
    for number, line in enumerate(lines, 1):
        assert len(line) <= 99 and line == line.rstrip(), f"{file.name}:{number}"
        comment = line.lstrip().startswith(("//", "/*", "*"))
        code = "" if comment else line.partition(" // ")[0]
        assert not code.endswith(";") and "\t" not in line, f"{file.name}:{number}"
