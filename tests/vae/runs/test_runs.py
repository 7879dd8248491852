"""A run's folder: what it holds, how it goes on, and how it fails."""

from __future__ import annotations

import errno
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from pictures import fill, png
from small_run import CONFIG, MODEL, same_weights, tensors, train

from vae import elbo, list_checkpoints, load_checkpoint, load_dataset
from vae.__main__ import main
from vae.checkpoint import load_card, load_codes
from vae.codes import encode
from vae.files import write_file
from vae.locations import all_checkpoints, epoch_folder, list_epochs
from vae.runs import epochs, manager, process, state, worker
from vae.runs.config import RunError, read_config
from vae.runs.control import Control, control, read_changes, read_control
from vae.runs.folder import write_json
from vae.runs.manager import delete_run, export_run, list_runs, save_run
from vae.runs.metrics import read_metrics
from vae.runs.setup import estimate
from vae.runs.snapshots import list_snapshots, read_snapshot
from vae.runs.status import Status, read_status
from vae.training import loop


def test_what_was_left_out_is_said_when_a_run_ends_and_on_its_card(tmp_path):
    """Copies of one picture: no t-SNE; and a picture beside the splits."""
    places = [f"{split}/{i}.png" for split in ("train", "test") for i in range(20)]
    fill(tmp_path / "mine", dict.fromkeys([*places, "cover.png"], png(90)))
    config = replace(CONFIG, dataset=str(tmp_path / "mine"))
    status = process.run(tmp_path / "one", config, device="cpu")
    assert status.state == "finished"
    card = load_card(tmp_path / "one")
    assert card["notices"][0] == "cover.png lies beside the splits and is left out."
    assert "copies of one" in card["notices"][-1]
    assert "found: 1 among 20" in card["no_tsne"] and "tsne" not in load_codes(tmp_path / "one")
    for sentence in (*card["notices"], card["no_tsne"]):
        assert sentence in status.message
    assert card["images"] == 20


def test_a_run_on_a_folder_keeps_the_pictures_that_it_imported(tmp_path):
    pictures = {f"{i:03}.png": png(2 * i) for i in range(80)}
    fill(tmp_path / "mine", dict(list(pictures.items())[:60]))
    config = replace(CONFIG, dataset=str(tmp_path / "mine"))
    one = tmp_path / "one"
    assert train(one, config).state == "finished"
    assert read_config(one).dataset == load_card(one)["dataset"] == "mine@1"
    assert load_card(one)["import"]["counts"] == {"train": 54, "test": 6}
    encoded = load_dataset("mine@1", "test").images
    codes = load_codes(one)
    assert np.array_equal(codes["checksum"], encoded.checksums(codes["index"]))
    fill(tmp_path / "mine", pictures)
    assert "changed" not in train(one, config, resume=True).message
    assert train(tmp_path / "two", config).state == "finished"
    assert read_config(tmp_path / "two").dataset == "mine@2"
    assert read_config(one).dataset == "mine@1"


def test_a_run_that_names_a_folder_knows_which_images_it_encoded_and_when_they_changed(
    tmp_path, monkeypatch
):
    """Runs of earlier versions read their pictures in place."""
    monkeypatch.setattr(worker, "settle_dataset", lambda config, **how: config)
    pictures = {f"{i:03}.png": png(2 * i) for i in range(80)}
    fill(tmp_path / "mine", dict(list(pictures.items())[:60]))
    training = replace(CONFIG.training, batch_size=9)
    config = replace(CONFIG, dataset=str(tmp_path / "mine"), training=training)
    one = tmp_path / "one"
    assert train(one, config).state == "finished"
    data = load_dataset(config.dataset, "test")
    codes, card = load_codes(one), load_card(one)
    assert np.array_equal(codes["checksum"], data.images.checksums(codes["index"]))
    assert card["fingerprint"] == data.fingerprint and card["notices"] == []
    originals = read_snapshot(one)["originals"]
    assert list_snapshots(one) == [0, 1, 2]
    fill(tmp_path / "mine", pictures)
    status = train(one, resume=True)
    assert status.state == "finished" and "changed while this run was stopped" in status.message
    assert list_snapshots(one) == [2]  # those before showed other images
    assert not np.array_equal(read_snapshot(one)["originals"], originals)
    assert status.message.endswith(load_card(one)["notices"][-1])


def test_leaves_all_that_watchers_need(finished):
    rows, _, _ = read_metrics(finished)
    assert [row["step"] for row in rows] == list(range(1, 17))
    for row in rows:
        assert row["elbo"] == pytest.approx(row["reconstruction"] - row["kl"])
        assert row["images_per_second"] > 0 and row["learning_rate"] > 0 and row["beta"] == 1
    ends = [row for row in rows if "heldout_elbo" in row]
    assert [row["epoch"] for row in ends] == [1, 2]
    for row in ends:
        assert len(row["kl_per_dimension"]) == 2 and 0 <= row["active_units"] <= 2
        assert row["heldout_elbo"] < 0
    status = read_status(finished)
    assert (status.state, status.step, status.steps) == ("finished", 16, 16)
    assert abs((finished / "status.json").stat().st_mtime - status.heartbeat) < 60
    assert list_snapshots(finished) == [0, 1, 2]
    shared, last = read_snapshot(finished), read_snapshot(finished, 2)
    assert shared["originals"].shape == last["samples"].shape == (16, 1, 28, 28)
    assert last["codes"].shape == (1000, 2) and last["map"].shape == (1000, 2)
    assert not np.array_equal(last["samples"], read_snapshot(finished, 0)["samples"])
    found = read_config(finished)
    assert found.training.precision in ("float32", "bfloat16")
    training = replace(found.training, precision="auto")
    assert replace(found, training=training) == CONFIG


def test_some_epochs_are_checkpoints_of_their_own(finished):
    assert list_epochs(finished) == [0, 1, 2]
    names = {c.name: c.folder for c in all_checkpoints()}
    assert names["one/epoch-1"] == epoch_folder(finished, 1)
    models = [load_checkpoint(f"one/epoch-{epoch}") for epoch in (0, 1, 2)]
    x = load_dataset("digits").images[:200]
    reached = [elbo(model, x).elbo.mean().item() for model in models]
    assert reached[0] < min(reached[1:]) - 100 and len(set(reached)) == 3
    assert load_card(names["one/epoch-1"])["epoch"] == 1
    assert same_weights(names["one/epoch-2"], finished)
    epochs.forget_epochs(finished, after=1)
    assert list_epochs(finished) == [0, 1]
    epochs.keep_epoch(finished, models[0], 3, {})  # no power of two
    assert list_epochs(finished) == [0, 1]


def test_a_runs_folder_is_a_checkpoint(finished):
    assert [c.name for c in list_checkpoints() if not c.shipped] == ["one"]
    model = load_checkpoint(finished)
    for name, value in model.state_dict().items():
        assert np.abs(tensors(finished)[f"model.{name}"] - value.numpy()).max() < 2e-3
    codes = load_codes(finished)
    images = load_dataset("digits").images[codes["index"]]
    assert torch.allclose(model.encoder(images).mean, torch.from_numpy(codes["mean"]), atol=1e-5)
    card = load_card(finished)
    assert card["dataset"] == "digits" and card["split"] == "test" and "MNIST" in card["licence"]


def test_stops_and_goes_on_exactly_with_what_was_changed(tmp_path):
    """Beta is changed at step 5, the rate at 9; one run stops later, one is set back to before."""
    folders = [tmp_path / name for name in ("whole", "late", "early")]
    for folder, stop in zip(folders, (None, 12, None), strict=True):
        wanted = changes({5: Control(beta=3.0), 9: Control("run", 0, 3.0, 4e-3)}, stop)
        state = train(folder, CONFIG, control=wanted).state
        assert state == ("stopped" if stop else "finished")
    # Early: the process died at step 9, but its last checkpoint is older than both changes.
    (folders[2] / "state.safetensors").unlink()
    for folder in folders[1:]:
        wanted = changes({0: Control("run", 0, 3.0, 4e-3)})
        assert train(folder, resume=True, control=wanted).state == "finished"
        assert same_weights(folders[0], folder)
        betas = [row["beta"] for row in read_metrics(folder)[0]]
        assert betas == [1.0] * 5 + [3.0] * 11


def test_a_run_keeps_the_precision_that_it_began_with(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert train(tmp_path, CONFIG, control=changes({}, stop=3)).state == "stopped"
    assert read_config(tmp_path).training.precision == "bfloat16"
    before = tensors(tmp_path)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {})
    status = train(tmp_path, CONFIG, resume=True)
    assert status.state == "failed" and "precision is bfloat16" in status.message
    assert all(np.array_equal(before[name], tensor) for name, tensor in tensors(tmp_path).items())
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert train(tmp_path, CONFIG, resume=True).state == "finished"


def changes(wanted: dict[int, Control], stop: int | None = None) -> Callable[[int], Control]:
    """What is wanted from some steps on, and a stop."""

    def at(step: int) -> Control:
        found = [control for start, control in wanted.items() if start <= step]
        last = found[-1] if found else Control()
        return replace(last, action="stop") if step == stop else last

    return at


def test_readers_leave_out_a_torn_line_and_read_only_what_is_new(tmp_path):
    file = tmp_path / "metrics.jsonl"
    assert read_metrics(tmp_path)[0] == []
    file.write_text('{"step": 1}\n{"step": 2}\n{"st')
    rows, position, _ = read_metrics(tmp_path)
    assert [row["step"] for row in rows] == [1, 2]
    with file.open("a") as stream:
        stream.write('ep": 3}\n')
    rows, position, again = read_metrics(tmp_path, position)
    assert [row["step"] for row in rows] == [3] and not again
    other = tmp_path / "other"
    other.write_text('{"step": 1}\n')
    other.replace(file)
    rows, _, again = read_metrics(tmp_path, position)
    assert [row["step"] for row in rows] == [1] and again


@pytest.mark.parametrize(
    "text", ["", "[1]", "{", '{"beta": "x"}', '{"beta": -1}', '{"learning_rate": NaN}', "3"]
)
def test_a_strange_control_changes_nothing(tmp_path, text):
    (tmp_path / "control.json").write_text(text)
    assert read_control(tmp_path) == Control()


@pytest.mark.parametrize("text", ["{", "[1]\n", '{"beta": 2.0}\n'])
def test_a_damaged_log_of_changes_is_named(finished, text):
    assert read_changes(finished) == []
    (finished / "changes.jsonl").write_text(text)
    with pytest.raises(RunError, match="cannot be read"):
        read_changes(finished)
    status = train(finished, resume=True)
    assert status.state == "failed" and "changes.jsonl" in status.message


def test_failures_are_sentences(tmp_path, monkeypatch):
    status = train(tmp_path / "a", replace(CONFIG, dataset="nonsense"))
    assert status.state == "failed" and "no dataset" in status.message
    wrong = replace(CONFIG, model={"latent_dim": 0})
    status = train(tmp_path / "a", wrong)  # a failed start may be replaced
    assert status.state == "failed" and "latent_dim is 0" in status.message
    assert read_status(tmp_path / "a") == replace(status, heartbeat=read_heartbeat(tmp_path / "a"))

    rate = replace(CONFIG, model=MODEL | {"likelihood": "gaussian_fixed", "sigma": 1e-30})
    status = train(tmp_path / "b", rate)
    assert status.state == "diverged" and "step 1" in status.message
    assert "not finite" in status.message and "lower learning rate" in status.message


@pytest.mark.parametrize("how", ["its KL", "its weights"])
def test_a_run_that_diverges_names_the_step_and_keeps_its_last_checkpoint(
    tmp_path, monkeypatch, how
):
    def control(step: int) -> Control:
        if step == 10 and how == "its KL":
            monkeypatch.setattr(loop, "LARGEST_KL", 1e-9)
        if step == 10 and how == "its weights":
            monkeypatch.setattr(loop, "adam_step", lambda p, *rest: p[-1].data.fill_(1e5))
        return Control()

    status = train(tmp_path, CONFIG, control=control)
    assert status.state == "diverged" and "lower learning rate" in status.message
    assert ("step 11: the KL is" if how == "its KL" else "step 16: weights") in status.message
    assert "last good checkpoint is kept" in status.message
    assert load_card(tmp_path)["step"] == 8 and load_checkpoint(tmp_path)
    assert read_metrics(tmp_path)[0][-1]["step"] >= 8


def read_heartbeat(folder: Path) -> float:
    return json.loads((folder / "status.json").read_text())["heartbeat"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
        (MemoryError(), "Memory ran out"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: tried 9 bytes"), "Memory ran"),
        (KeyError("x"), "unexpectedly"),
    ],
)
def test_the_last_good_checkpoint_outlives_a_failure(tmp_path, monkeypatch, error, sentence):
    save, saved = state.write_tensors, []

    def fail_later(file, *rest):
        if saved:
            raise error
        save(file, *rest)
        saved.append(1)

    monkeypatch.setattr(state, "write_tensors", fail_later)
    status = train(tmp_path, CONFIG)
    assert status.state == "failed" and sentence in status.message
    assert "checkpoint is kept" in status.message
    assert load_card(tmp_path)["step"] == 8  # the end of the first epoch
    monkeypatch.setattr(state, "write_tensors", save)
    assert train(tmp_path, resume=True).state == "finished"


def test_a_broken_picture_is_named(tmp_path):
    from PIL import Image

    (tmp_path / "pictures").mkdir()
    for i in range(30):
        Image.new("L", (32, 32), 8 * i).save(tmp_path / "pictures" / f"{i}.png")
    whole = (tmp_path / "pictures" / "7.png").read_bytes()
    (tmp_path / "pictures" / "7.png").write_bytes(whole[:-30])
    config = replace(CONFIG, dataset=str(tmp_path / "pictures"), model=MODEL)
    status = train(tmp_path / "run", config)
    assert status.state == "failed" and "7.png" in status.message


def test_saves_exports_and_deletes_only_its_own(finished, data_folder, tmp_path):
    saved = save_run(finished, "mine")
    assert same_weights(finished, saved)
    with pytest.raises(RunError, match="already"):
        save_run(finished, "mine")
    for name in ("../x", "", ".hidden", "a/b"):
        with pytest.raises(RunError, match="name"):
            save_run(finished, name)
    names = zipfile.ZipFile(io.BytesIO(export_run(finished))).namelist()
    assert "one/model.safetensors" in names and "one/metrics.jsonl" in names
    with pytest.raises(RunError, match="not a run"):
        delete_run(saved)
    delete_run(finished)
    assert not finished.exists() and list_runs() == [] and load_checkpoint(saved)


def test_deleting_leaves_what_no_run_wrote(finished, data_folder):
    for name in ("notes.txt", ".env", "snapshots/mine.png", "snapshots/x.safetensors"):
        (finished / name).write_text("mine")
    assert delete_run(finished) == [".env", "notes.txt", "snapshots"]
    left = sorted(str(file.relative_to(finished)) for file in finished.rglob("*"))
    assert left == [".env", "notes.txt", "snapshots", "snapshots/mine.png",
                    "snapshots/x.safetensors"]  # fmt: skip
    assert list_runs() == []
    foreign = data_folder / "runs" / "bert"
    foreign.mkdir()
    (foreign / "config.json").write_text('{"model_type": "bert"}')
    (foreign / "model.safetensors").write_text("mine")
    for folder in (foreign, data_folder / "runs", data_folder / "runs" / "nothing"):
        with pytest.raises(RunError, match=r"not a run|no run's"):
            delete_run(folder)
    assert (foreign / "model.safetensors").read_text() == "mine"


def test_a_run_that_is_gone_is_not_made_again_by_telling_it_something(finished):
    delete_run(finished)
    with pytest.raises(RunError, match="no run"):
        control(finished, "pause")
    assert not finished.exists()


def test_a_checkpoint_is_saved_whole_or_not_at_all(finished, data_folder, monkeypatch):
    def full(file, content):
        if file.name == "model.safetensors":
            raise OSError(errno.ENOSPC, "No space left on device")
        write_file(file, content)

    monkeypatch.setattr(manager, "write_file", full)
    with pytest.raises(RunError, match="disk is full"):
        save_run(finished, "mine")
    monkeypatch.setattr(manager, "write_file", write_file)
    assert same_weights(finished, save_run(finished, "mine"))


def test_an_interrupted_run_says_so(finished):
    write_json(finished / "status.json", {"state": "running", "step": 3})
    assert read_status(finished).state == "interrupted"
    (finished / "status.json").write_text("{")
    assert isinstance(read_status(finished), Status)


def test_command_line(tmp_path, capsys):
    small = ["--dataset", "digits", "--latent-dim", "2", "--channels", "none", "--hidden", "8"]
    small += [
        "--epochs",
        "1",
        "--batch-size",
        "500",
        "--device",
        "cpu",
        "--no-tsne",
        "--no-fit-codes",
        "--threads",
        "1",
    ]
    out = str(tmp_path / "run")
    assert main(["train", *small, "--out", out]) == 0
    assert "Finished" in capsys.readouterr().out
    assert "tsne" not in load_codes(out)
    assert main(["train", *small, "--out", out]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["train", *small, "--out", out, "--resume", "--epochs", "3"]) == 2
    assert "other settings" in capsys.readouterr().err
    assert (
        main(
            [
                "train",
                "--out",
                out,
                "--resume",
                "--device",
                "cpu",
                "--no-tsne",
                "--no-fit-codes",
                "--json",
            ]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)["state"] == "finished"
    assert main(["train", *small[:2], "--estimate", "--json", *small[2:]]) == 0
    assert json.loads(capsys.readouterr().out)["seconds_per_epoch"] > 0
    start = [
        "train",
        "--dataset",
        "digits",
        "--from",
        out,
        "--epochs",
        "1",
        "--device",
        "cpu",
        "--no-tsne",
        "--no-fit-codes",
    ]
    start += ["--batch-size", "500", "--out", str(tmp_path / "second")]
    assert main(start) == 0
    first = read_metrics(tmp_path / "second")[0][0]["elbo"]
    assert first > read_metrics(out)[0][0]["elbo"]  # it begins where the other ended
    assert main([*start, "--latent-dim", "5"]) == 2
    codes = str(tmp_path / "codes.safetensors")
    assert main(["encode", out, "--dataset", "digits", "--out", codes, "--device", "cpu"]) == 0
    found = safetensors.numpy.load_file(codes)
    assert found["mean"].shape == (1000, 2)
    assert np.array_equal(
        found["mean"], encode(load_checkpoint(out), load_dataset("digits").images)["mean"]
    )


def test_estimate_measures_the_network_that_is_asked_for():
    found = estimate(CONFIG, "cpu")
    assert found["parameters"] == 784 * 8 + 8 + 9 * 4 + 3 * 8 + 9 * 784
    assert found["seconds"] == pytest.approx(2 * found["seconds_per_epoch"])
    assert found["images_per_second"] * found["seconds_per_epoch"] == pytest.approx(9000)


@pytest.mark.parametrize("variational", [True, False])
def test_one_held_out_picture_is_enough(tmp_path, variational):
    fill(tmp_path / "mine", {f"{i}.png": png(60 * i) for i in range(3)})
    config = replace(
        CONFIG, dataset=str(tmp_path / "mine"), model=MODEL | {"variational": variational}
    )
    assert train(tmp_path / "one", config).state == "finished"
    assert len(load_codes(tmp_path / "one")["mean"]) == 1
    rows = read_metrics(tmp_path / "one")[0]
    assert {row["active_units"] for row in rows if "active_units" in row} == {None}
