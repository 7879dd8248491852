"""What is installed: the wheel, what works from it in any folder, the lock, and the command."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import pytest
from hatchling.build import build_editable, build_wheel

from vae.checkpoint import CheckpointError, find_checkpoint, load_checkpoint
from vae.launcher import main

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder that holds what the wheel puts into site-packages."""
    folder = tmp_path_factory.mktemp("site")
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        name = build_wheel(str(folder))
    finally:
        os.chdir(before)
    with zipfile.ZipFile(folder / name) as wheel:
        wheel.extractall(folder)
    (folder / name).unlink()
    return folder


def metadata(site: Path) -> str:
    return next(site.glob("*.dist-info/METADATA")).read_text("utf-8")


def names(file: str) -> set[str]:
    """The packages that a requirements file lists itself."""
    lines = (ROOT / file).read_text("utf-8").splitlines()
    return {re.split(r"[^\w.-]", line)[0].lower() for line in lines if line[:1].isalpha()}


def test_everything_lies_inside_one_package(site):
    assert sorted(p.name.partition("-0")[0] for p in site.iterdir()) == [
        "latent_space_explorer",
        "vae",
    ]
    inside = {p.relative_to(site / "vae").as_posix() for p in (site / "vae").rglob("*")}
    for place, target in [("vae", ""), ("pages", "_explorer/"), ("checkpoints", "_explorer/")]:
        listed = subprocess.run(
            ["git", "ls-files", place], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split()
        wanted = {target + (f if target else f.removeprefix("vae/")) for f in listed}
        assert len(wanted) > 30 and wanted <= inside, wanted - inside
    assert {"_explorer/app.py", "_explorer/.streamlit/config.toml"} <= inside
    assert not {n for n in inside if n.endswith(".pyc") or "__pycache__" in n}


def test_dependencies_are_those_of_the_requirements_files(site):
    text = metadata(site)
    needed = re.findall(r"^Requires-Dist: ([\w.-]+)(?!.*extra ==)", text, re.MULTILINE)
    assert {n.lower() for n in needed} == names("requirements.txt") - {"pytest"}
    for extra in ("dev", "docs", "examples", "hdf5", "onnx"):
        optional = re.findall(
            rf"^Requires-Dist: ([\w.-]+).*extra == '{extra}'", text, re.MULTILINE
        )
        own = names(f"requirements-{extra}.txt") | ({"pytest"} if extra == "dev" else set())
        assert {n.lower() for n in optional} == own


def test_an_editable_install_only_points_at_the_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    with zipfile.ZipFile(tmp_path / build_editable(str(tmp_path))) as wheel:
        files = [name for name in wheel.namelist() if ".dist-info/" not in name]
        assert [name.rpartition(".")[2] for name in files] == ["pth"]
        assert wheel.read(files[0]).decode().strip() == str(ROOT)


def environment(site: Path, home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LATENT_", "PYTHON", "XDG_"))}
    return kept | {"PYTHONPATH": str(site), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}


LIBRARY = """
import vae
from vae.locations import data_folder
model, data = vae.load_checkpoint("digits"), vae.load_dataset("digits")
print(vae.__file__, data_folder(), tuple(model.encoder(data.images[:3]).mean.shape), sep="\\n")
print(*(checkpoint.name for checkpoint in vae.list_checkpoints()))
"""


SERVE = "import sys; from vae.launcher import main; sys.exit(main())"


def test_the_library_works_in_any_folder(site, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY],
        cwd=tmp_path,
        env=environment(site, tmp_path),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    file, kept, shape, checkpoints = done.stdout.splitlines()
    assert Path(file) == site / "vae/__init__.py" and shape == "(3, 2)"
    assert tmp_path in Path(kept).parents  # of the visitor's home, not of site-packages
    assert {"digits", "faces", "fashion"} <= set(checkpoints.split())


def test_the_command_serves_the_app_from_any_folder(site, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVE, "--port", str(port), "--data", "kept"],
            cwd=tmp_path,
            env=environment(site, tmp_path),
            stdout=stream,
            stderr=stream,
        )
    try:
        manifest = b""
        for _ in range(600):
            try:
                address = f"http://127.0.0.1:{port}/live/decoders/digits"
                with urllib.request.urlopen(address, timeout=30) as answer:
                    manifest = answer.read()
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                time.sleep(0.1)
        assert b"safetensors" in manifest
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/map", timeout=30) as answer:
            assert b"<html" in answer.read().lower()
        assert (tmp_path / "kept").is_dir()
    finally:
        server.send_signal(2)
        assert server.wait(30) == 0, log.read_text()


def test_an_address_or_folder_that_cannot_be_used_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("vae.launcher.import_module", lambda name: pytest.fail("it serves"))
    data = ["--data", str(tmp_path / "data")]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main([*data, "--port", port]) == 2
    assert port in (told := capsys.readouterr().err) and "another port" in told
    assert main([*data, "--port", "70000"]) == 2
    assert "from 1024 to 65535" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main(["--data", str(tmp_path / "file" / "data"), "--port", "0"]) == 2
    assert "--data FOLDER" in capsys.readouterr().err


def test_checkpoints_are_found_by_name():
    assert find_checkpoint("digits") == ROOT / "checkpoints" / "digits"
    assert load_checkpoint("lab/digits-beta-1").config.latent_dim == 2
    with pytest.raises(CheckpointError, match=r"fashoin: no such folder.*fashion"):
        find_checkpoint("fashoin")


def test_the_lock_covers_the_requirements_and_names_no_place():
    text = (ROOT / "requirements.lock").read_text("utf-8")
    assert "/" not in text and "index" not in text
    entries = re.split(r"\n(?=\w)", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries)
    locked = {re.split("==", entry)[0].lower() for entry in entries}
    for file in ROOT.glob("requirements*.txt"):
        missing = {re.sub(r"\[.*", "", name) for name in names(file.name)} - locked
        assert not missing, f"{file.name} lists {missing}: run make lock"
        for pin in re.findall(r"^[\w.-]+==[\w.]+", file.read_text("utf-8"), re.MULTILINE):
            assert pin.lower() in text.lower(), f"{file.name} pins {pin}: run make lock"


def test_the_range_of_pythons_is_the_one_that_is_linted():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lowest = config["project"]["requires-python"].removeprefix(">=")
    assert config["tool"]["ruff"]["target-version"] == f"py{lowest.replace('.', '')}"
