"""The notebook and the scripts of `examples/`, run with small sizes."""

from __future__ import annotations

import importlib.util
import json
import warnings
from pathlib import Path

import pytest
from PIL import Image

from vae import load_checkpoint

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
LARGEST = 250_000  # bytes of the notebook with its pictures


@pytest.fixture
def example(tmp_path, monkeypatch):
    """A function that loads a script by name; what it writes lies in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def load(name: str):
        found = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        return module

    return load


def size(file: Path) -> tuple[int, int]:
    with Image.open(file) as picture:
        return picture.size


def test_every_script_is_run_here():
    assert {file.stem for file in EXAMPLES.glob("*.py")} == {
        "beta",
        "concept",
        "dataset",
        "likelihood",
    }


def test_beta(example, tmp_path, capsys):
    example("beta").main(["--betas", "1", "50", "--epochs", "2", "--images", "1000"])
    kl = [float(line.split()[-2]) for line in capsys.readouterr().out.splitlines()[:2]]
    assert kl[0] > kl[1]
    assert size(tmp_path / "beta.png") == (720, 480)


def test_likelihood(example):
    module = example("likelihood")
    before = module.main(["--epochs", "1", "--images", "200"])
    after = module.main(["--epochs", "3", "--images", "1000"])
    assert after > before


def test_dataset(example, tmp_path):
    accuracy = example("dataset").main(["--epochs", "6", "--images", "1500"])
    assert accuracy > 0.7  # 0.5 by guessing
    assert load_checkpoint(tmp_path / "stripes").latent_dim == 4


def test_concept(example, tmp_path):
    card, before, after = example("concept").main(["--out", "glasses.png"])
    assert card.auc > card.random_auc_high and card.stability > 0.9
    assert before < 0.5 < after
    assert size(tmp_path / "glasses.png") == (512, 256)


def test_the_notebook_runs_and_its_output_is_small(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))  # for the kernel, in another folder
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the app's own, if it ran in this process
    file = EXAMPLES / "tour.ipynb"
    assert file.stat().st_size < LARGEST
    notebook = nbformat.read(file, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = [cell for cell in code if "image/png" in json.dumps(cell.outputs)]
    assert len(shown) >= 6 and not [c for c in code if "Error" in str(c.outputs)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the client's own; the kernel is another process
        client = NotebookClient(
            notebook,
            timeout=300,
            kernel_name="python3",
            resources={"metadata": {"path": tmp_path}},
        )
        client.execute()  # raises where a cell does
    again = [cell for cell in code if "image/png" in json.dumps(cell.outputs)]
    assert len(again) == len(shown)
