"""Nothing of anybody else's is removed or overwritten, whatever a command is told to write to."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from vae import VAE, VAEConfig, load_checkpoint, save_checkpoint
from vae.__main__ import main
from vae.checkpoint import save_card, save_codes
from vae.classifier import Classifier, save_classifier
from vae.files import OutputError, check_output_folder, remove_unfinished, write_file

SMALL = "--dataset digits --latent-dim 2 --channels none --hidden 8 --epochs 1 --batch-size 500"
TRAIN = [
    "train",
    *SMALL.split(),
    "--device",
    "cpu",
    "--threads",
    "1",
    "--no-tsne",
    "--no-fit-codes",
]


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_DATA", str(tmp_path / "data"))


def model() -> VAE:
    torch.manual_seed(0)
    return VAE(VAEConfig((1, 28, 28), 2, channels=(), hidden=(8,)))


def content(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def foreign(folder: Path) -> dict[str, bytes]:
    """A folder with what people keep in folders, and what a careless program could mistake."""
    for name in (".env", ".gitignore", ".config.json.abcdefgh", ".status.json.x", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"mine: {name}")
    return content(folder)


def checkpoint(folder: Path) -> dict[str, bytes]:
    save_checkpoint(model(), folder, {"dataset": "digits"})
    (folder / ".gitignore").write_text("*.bak")
    return content(folder)


def somebody_elses_config(folder: Path) -> dict[str, bytes]:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    return content(folder)


@pytest.mark.parametrize("make", [foreign, checkpoint, somebody_elses_config])
@pytest.mark.parametrize("more", [[], ["--resume"], ["--queue"], ["--resume", "--queue"]])
def test_train_leaves_every_folder_alone_that_no_run_made(tmp_path, capsys, make, more):
    before = make(tmp_path / "it")
    assert main([*TRAIN, "--out", str(tmp_path / "it"), *more]) == 2
    assert str(tmp_path / "it") in capsys.readouterr().err
    assert content(tmp_path / "it") == before


@pytest.mark.parametrize("out", ["", "  ", "."])
def test_train_leaves_the_current_folder_alone(tmp_path, capsys, monkeypatch, out):
    before = foreign(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    for more in ([], ["--resume"]):
        assert main([*TRAIN, "--out", out, *more]) == 2
        assert "Name a new" in capsys.readouterr().err
    assert content(tmp_path / "here") == before


def test_train_refuses_a_file_and_what_lies_below_it(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        assert main([*TRAIN, "--out", str(out)]) == 2
        assert "not a folder" in capsys.readouterr().err
    assert content(tmp_path) == {"file": b"mine"}


def test_a_command_that_refuses_makes_no_folder(tmp_path, capsys):
    assert main(["train", "--resume", "--out", str(tmp_path / "typing-error")]) == 2
    assert "no run" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_run_keeps_the_files_that_others_put_into_its_folder(tmp_path):
    out = tmp_path / "run"
    assert main([*TRAIN, "--out", str(out)]) == 0
    kept = foreign(out).items() & {(n, f"mine: {n}".encode()) for n in content(out)}
    (out / f".state.safetensors.{'0' * 32}.unfinished").write_text("of a killed process")
    assert (
        main(
            [
                "train",
                "--resume",
                "--out",
                str(out),
                "--device",
                "cpu",
                "--no-tsne",
                "--no-fit-codes",
            ]
        )
        == 0
    )
    assert kept and kept <= content(out).items()
    assert not list(out.glob(".*.unfinished"))


def test_a_run_without_its_state_does_not_start_over_its_model(tmp_path, capsys):
    """As one that was exported and unpacked, without what is needed to go on."""
    out = tmp_path / "run"
    assert main([*TRAIN, "--out", str(out)]) == 0
    for name in ("state.safetensors", "run.lock"):
        (out / name).unlink()
    before = content(out)
    assert main(["train", "--resume", "--out", str(out)]) == 2
    assert "--from" in capsys.readouterr().err
    assert content(out) == before


def test_encode_writes_over_nothing_but_codes(tmp_path, capsys, monkeypatch):
    checkpoint(tmp_path / "model")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    before = content(tmp_path)
    encode = ["encode", "model", "--dataset", "digits", "--device", "cpu", "--out"]
    for out in ("", ".", "model", "notes.txt", "notes.txt/codes", "model/model.safetensors",
                "model/codes.safetensors", "run/codes.safetensors"):  # fmt: skip
        assert main([*encode, out]) == 2, out
        assert "Name" in capsys.readouterr().err
    assert content(tmp_path) == before
    assert main([*encode, "new/codes.safetensors"]) == 0
    first = (tmp_path / "new" / "codes.safetensors").read_bytes()
    assert main([*encode, "new/codes.safetensors"]) == 0  # its own may be computed again
    assert (tmp_path / "new" / "codes.safetensors").read_bytes() == first


def test_evaluate_saves_only_what_it_measured_in_a_checkpoint(tmp_path, capsys, monkeypatch):
    before = foreign(tmp_path / "it")
    monkeypatch.chdir(tmp_path / "it")
    for folder in ("", ".", str(tmp_path / "it"), str(tmp_path / "nothing")):
        assert main(["evaluate", folder, "--save"]) == 2
    assert content(tmp_path / "it") == before and not (tmp_path / "nothing").exists()
    checkpoint(tmp_path / "model")
    assert main(["evaluate", str(tmp_path / "model"), "--concepts", "--save"]) == 2
    assert "--save" in capsys.readouterr().err


def test_a_checkpoint_is_replaced_on_request_only(tmp_path):
    checkpoint(tmp_path / "model")
    before, other = content(tmp_path / "model"), model()
    with torch.no_grad():
        next(other.parameters()).add_(1)
    with pytest.raises(OutputError, match="holds a model already"):
        save_checkpoint(other, tmp_path / "model")
    assert content(tmp_path / "model") == before
    save_checkpoint(other, tmp_path / "model", overwrite=True)
    saved = load_checkpoint(tmp_path / "model").state_dict()
    assert all(torch.equal(saved[name], value) for name, value in other.state_dict().items())


def test_what_writes_into_a_checkpoint_refuses_other_folders(tmp_path, monkeypatch):
    before = foreign(tmp_path / "it")
    monkeypatch.chdir(tmp_path / "it")
    classifier = Classifier((1, 16, 16), ("a", "b"), exclusive=False)
    for folder in ("", ".", tmp_path / "it", tmp_path / "it" / "notes.txt"):
        for overwrite in (False, True):
            with pytest.raises(OutputError):
                save_checkpoint(model(), folder, overwrite=overwrite)
        for save in (save_card, save_codes):
            with pytest.raises(OutputError):
                save(folder, {})
        with pytest.raises(OutputError):
            save_classifier(classifier, folder)
    assert content(tmp_path / "it") == before


def test_refusals_name_what_is_there(tmp_path):
    foreign(tmp_path / "it")
    with pytest.raises(OutputError, match=r"\.config\.json\.abcdefgh, \.env, .* and 2 more"):
        check_output_folder(tmp_path / "it")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="not a folder"):
        check_output_folder(tmp_path / "link")
    with pytest.raises(OutputError, match="is a folder"):
        write_file(tmp_path / "it", b"")


def test_what_a_killed_process_left_is_known_by_its_name(tmp_path):
    process = os.fork()
    if not process:
        os.fsync = lambda stream: os.kill(os.getpid(), signal.SIGKILL)
        write_file(tmp_path / "status.json", b"{}")
        os._exit(0)
    assert os.waitpid(process, 0)[1] == signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    before = foreign(tmp_path / "it")
    for file in tmp_path.iterdir():
        if file.is_file():
            file.rename(tmp_path / "it" / file.name)
    (tmp_path / "it" / f".control.json.{'a' * 32}.unfinished").write_text("being written")
    remove_unfinished(tmp_path / "it", but="control.json")
    before[f".control.json.{'a' * 32}.unfinished"] = b"being written"
    assert content(tmp_path / "it") == before


def test_a_card_keeps_its_fields(tmp_path):
    checkpoint(tmp_path / "model")
    save_card(tmp_path / "model", {"dataset": "digits", "n": 1})
    assert json.loads((tmp_path / "model" / "card.json").read_text())["n"] == 1
