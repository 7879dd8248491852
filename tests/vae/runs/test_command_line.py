"""Settings of `python -m vae train`: flags, files and presets say the same."""

from __future__ import annotations

import json
import re
from dataclasses import fields

import pytest
from small_run import CONFIG

from vae import VAEConfig
from vae.__main__ import main
from vae.runs.config import RunConfig, read_config
from vae.runs.folder import write_json
from vae.runs.presets import PRESETS
from vae.runs.status import read_status
from vae.training import TrainingConfig

NETWORK = {
    "latent_dim": 3,
    "likelihood": "gaussian",
    "variational": False,
    "channels": [4, 8],
    "hidden": [],
    "sigma_floor": 0.02,
    "sigma": 0.3,
    "blocks": 1,
    "prior_components": 20,
}
TRAINING = TrainingConfig(
    epochs=3,
    batch_size=16,
    learning_rate=2e-3,
    beta=4.0,
    beta_warmup=1.5,
    free_bits=0.1,
    sigma_warmup_epochs=2.0,
    variance_weighting=0.5,
    augmentation=0.3,
    augmented_share=0.5,
    patience=3,
    precision="float32",
    seed=7,
)


def flags() -> list[str]:
    found = ["--autoencoder"]
    for name, value in (NETWORK | TRAINING.to_dict()).items():
        if name != "variational":
            text = ",".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
            found += [f"--{name.replace('_', '-')}", text]
    return found


def test_every_setting_has_a_flag_and_a_file_keeps_them(tmp_path):
    assert set(NETWORK) | {"image_shape"} == {field.name for field in fields(VAEConfig)}
    asked = RunConfig("digits", NETWORK, TRAINING, start="digits-16", threads=3)
    for field in fields(TrainingConfig):
        assert getattr(TRAINING, field.name) != field.default
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    command = ["train", "--dataset", "digits", "--from", "digits-16", "--threads", "3", *flags()]
    assert main([*command, "--save-config", str(first)]) == 0
    assert read_config(first) == asked
    assert main(["train", str(first), "--beta", "2", "--save-config", str(second)]) == 0
    found = read_config(second)
    assert found.training.beta == 2 and found.model == asked.model
    assert main(["train", str(first), "--save-config", str(second)]) == 2  # it is there already


def test_every_flag_is_explained(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    text = re.sub(r"; for example: --\S+( \S+)?", "", text)  # the sentences alone
    for field in [*fields(VAEConfig)[1:], *fields(TrainingConfig)]:
        flag = f"--{field.name.replace('_', '-')}"
        sentence = text[text.rindex(flag) :].split(" --")[0]
        assert len(re.findall("[a-z]{2,}", sentence)) > 3, sentence


def test_a_preset_is_named_by_its_key(tmp_path):
    file = tmp_path / "preset.json"
    preset = PRESETS[0]
    assert main(["train", preset.key, "--save-config", str(file)]) == 0
    assert preset.describes(read_config(file)) and read_config(file).preset == preset.key
    file.unlink()
    assert main(["train", preset.key, "--latent-dim", "5", "--save-config", str(file)]) == 0
    assert read_config(file).preset is None and read_config(file).model["latent_dim"] == 5


def test_a_run_from_a_file(tmp_path):
    file, out = tmp_path / "settings.json", tmp_path / "run"
    write_json(file, CONFIG.to_dict())
    command = [
        "train",
        str(file),
        "--device",
        "cpu",
        "--no-tsne",
        "--no-fit-codes",
        "--out",
        str(out),
    ]
    assert main([*command, "--epochs", "1"]) == 0
    assert read_status(out).step == 8 and read_config(out).model == CONFIG.model
    assert main([*command, "--epochs", "1", "--resume"]) == 0  # the same settings
    assert main([*command, "--resume"]) == 2  # others


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        ("{", "cannot be read"),
        ("[]", "expected an object"),
        (json.dumps({"dataset": "digits", "depth": 3}), r"unknown fields \['depth'\]"),
        (json.dumps({"model": {}}), "dataset"),
        (json.dumps({"dataset": "digits", "training": {"epoch": 3}}), r"\['epoch'\]"),
        (json.dumps({"dataset": "digits", "training": {"epochs": 0}}), "epochs is 0; expected"),
        (json.dumps({"dataset": "digits", "training": []}), "expected an object"),
        (json.dumps({"dataset": 7}), "dataset is 7; expected"),
        (json.dumps({"dataset": "digits", "model": {"code": 1}}), r"unknown fields \['code'\]"),
        (json.dumps({"dataset": "digits", "threads": "all"}), "threads is 'all'; expected"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, capsys, content, words):
    file = tmp_path / "settings.json"
    if content is not None:
        file.write_text(content)
    assert main(["train", str(file), "--estimate"]) == 2
    found = capsys.readouterr().err
    assert "settings.json" in found and re.search(words, found), found
