"""The commands that import pictures and list what was imported."""

from __future__ import annotations

import json

import pytest
from pictures import fill, png

from vae import load_dataset
from vae.__main__ import main
from vae.imports import find_dataset
from vae.runs import setup
from vae.runs.config import RunConfig


@pytest.fixture
def pictures(tmp_path):
    fill(tmp_path / "my pictures", {f"{i:02}.png": png(3 * i) for i in range(12)})
    (tmp_path / "my pictures" / "notes.doc").write_text("no picture")
    return tmp_path / "my pictures"


def test_import_says_what_was_read_and_left_out(pictures, tmp_path, capsys):
    table = tmp_path / "ages.csv"
    table.write_text("file;age\n" + "".join(f"{i:02};{i},5\n" for i in range(11)))
    command = ["import", str(pictures), "--image-size", "16", "--grey", "--labels", str(table)]
    assert main([*command, "--look"]) == 0
    looked = capsys.readouterr().out
    assert (
        "12 of 12 pictures" in looked
        and "16×16, grey" in looked
        and "Column age: number" in looked
    )
    assert main(["datasets"]) == 0
    assert "Nothing is imported" in capsys.readouterr().out
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "my-pictures@1: 12 pictures (11 train, 1 test), 16×16, grey" in out
    assert "no row for 1 of 12 pictures, such as 11.png" in out
    assert "Left out: notes.doc" in out
    ages = {}
    for split in ("train", "test"):
        part = load_dataset("my-pictures", split)
        assert part.images.shape[1:] == (1, 16, 16)
        ages |= dict(zip(part.names, part.attributes["age"].tolist(), strict=True))
    assert ages["07.png"] == 7.5 and ages["11.png"] != ages["11.png"]
    assert main(["datasets", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["datasets"]
    assert listed["name"] == "my-pictures" and listed["shape"] == [12, 1, 16, 16]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--image-size", "257"], "takes 8 to 256"),
        (["--image-size", "4"], "takes 8 to 256"),
        (["--name", "faces"], "faces is the name of a set"),
        (["--labels", "none.csv"], "none.csv cannot be read"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(pictures, capsys, options, said):
    assert main(["import", str(pictures), "--json", *options]) == 2
    printed = capsys.readouterr()
    assert said in printed.err and "Traceback" not in printed.err and printed.out == ""


def test_a_table_among_the_pictures_that_was_named_is_not_called_unused(pictures, capsys):
    for table in ("ages.csv", "other.csv"):
        rows = "".join(f"{file.name},{table}\n" for file in sorted(pictures.rglob("*.png")))
        (pictures / table).write_text(f"file,from\n{rows}")
    labels = str(pictures / "ages.csv")
    assert main(["import", str(pictures), "--labels", labels, "--skip-broken"]) == 0
    said = capsys.readouterr().out
    assert "The table other.csv is not used" in said and "ages.csv is not" not in said


def test_a_source_without_a_name_is_not_the_folder_one_is_in(capsys):
    assert main(["import", ""]) == 2
    assert "The source has no name" in capsys.readouterr().err


def test_a_run_names_the_command_that_leaves_broken_pictures_out(pictures, tmp_path, capsys):
    (pictures / "05.png").write_bytes(b"")
    command = ["train", "--dataset", str(pictures), "--epochs", "1", "--out", str(tmp_path / "r")]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "1 of 12 pictures can't be read: 05.png is empty" in said
    assert f"python -m vae import '{pictures}' --name my-pictures --skip-broken" in said


def test_celeba_is_imported_before_the_first_training_with_its_authors_split(data, monkeypatch):
    monkeypatch.setattr(setup, "load_dataset", lambda *given: None)  # which would fetch it
    names = [f"{i:06}.jpg" for i in range(1, 9)]
    fill(data / "celeba" / "img_align_celeba", {n: png(9 * i) for i, n in enumerate(names)})
    rows = "\n".join(f"{n} {v}" for n, v in zip(names, [0, 0, 0, 0, 1, 1, 2, 2], strict=True))
    (data / "celeba" / "list_eval_partition.txt").write_text(rows + "\n")
    table = "\n".join(f"{n} {i % 2 * 2 - 1}" for i, n in enumerate(names))
    (data / "celeba" / "list_attr_celeba.txt").write_text(f"8\nSmiling\n{table}\n")
    settled = setup.settle_dataset(RunConfig("celeba"))
    assert settled.dataset == "celeba-64@1"
    assert find_dataset("celeba-64").counts == {"train": 4, "validation": 2, "test": 2}
    assert load_dataset("celeba-64", "test").attributes["Smiling"].tolist() == [False, True]
