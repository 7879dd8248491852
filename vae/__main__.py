"""The command line: `python -m vae train | encode | bounds | fit-codes | evaluate`."""

from __future__ import annotations

import argparse
import inspect
import json
import os
import re
import sys
import time
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from .config import LIKELIHOODS, Fields, VAEConfig
from .files import OutputError, check_output_file
from .runs.folder import RunConfig, RunError, is_alive, read_config, write_json
from .runs.options import RunOptions
from .runs.presets import PRESETS
from .runs.process import run
from .runs.queue import ESTIMATE, wait_for_turn
from .training.config import PRECISIONS, TrainingConfig
from .training.memory import keep_memory

# torch and what needs it are imported where they are used: a process that waits does without.


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; its exit status is 0 if all went well."""
    parser = argparse.ArgumentParser(prog="python -m vae", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(commands.add_parser("train", help="train a model, or go on with one"))
    _add_encode(commands.add_parser("encode", help="compute the codes of a dataset's images"))
    _add_bounds(commands.add_parser("bounds", help="estimate ELBO and log p(x) of each image"))
    _add_fit_codes(commands.add_parser("fit-codes", help="learn where a model's codes lie"))
    _add_evaluate(commands.add_parser("evaluate", help="measure a checkpoint"))
    options = parser.parse_args(arguments)
    try:
        return options.command(options)
    except ValueError as error:  # all that the library raises on purpose
        print(f"{error}", file=sys.stderr)
        return 2
    except OSError as error:
        from .runs.setup import explain

        print(explain(error), file=sys.stderr)
        return 2


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_train)
    parser.add_argument(
        "config",
        nargs="?",
        metavar="CONFIG",
        help="a JSON file of settings (- for stdin), a run whose settings to take, or the name of "
        f"a preset: {', '.join(preset.key for preset in PRESETS)}; flags change single settings",
    )
    parser.add_argument("--out", metavar="FOLDER", help="where the run is kept")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument("--estimate", action="store_true", help="only measure how long it takes")
    parser.add_argument(
        "--save-config", metavar="FILE", help="only write the settings to a file, for CONFIG"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    _add_device(parser)
    parser.add_argument("--queue", action="store_true", help="wait until the app has room for it")
    parser.add_argument(
        "--no-tsne",
        dest="tsne",
        action="store_false",
        help="fit no t-SNE map at the end; for thousands of codes that takes a minute",
    )
    data = parser.add_argument_group("data")
    data.add_argument("--dataset", help="digits, fashion, faces, …, or a folder or zip of images")
    data.add_argument(
        "--from",
        dest="start",
        metavar="CHECKPOINT",
        help="start from its network and weights instead of random ones",
    )
    data.add_argument(
        "--threads", type=int, metavar="N", help="processor threads; half of the cores by default"
    )
    network = parser.add_argument_group("network")
    _add_fields(network, VAEConfig, leave_out=("image_shape", "variational"))
    network.add_argument(
        "--variational", action="store_true", default=None, help="a VAE, as by default"
    )
    network.add_argument(
        "--autoencoder",
        dest="variational",
        action="store_false",
        default=None,
        help="a standard autoencoder: no noise, no KL, points as codes",
    )
    _add_fields(parser.add_argument_group("training"), TrainingConfig)


def _add_fields(
    parser: argparse._ArgumentGroup, config: type[Fields], leave_out: tuple[str, ...] = ()
) -> None:
    """Adds a flag for each field; the class's docstring has the sentence that explains it."""
    text = inspect.cleandoc(config.__doc__ or "").partition("Args:")[2].partition("\n\n")[0]
    about = dict(re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", text, re.MULTILINE))
    for field in fields(config):
        if field.name in leave_out:
            continue
        sentence = " ".join(about.get(field.name, "").split()).rstrip(".")
        kind = str(field.type)
        widths = kind.startswith("tuple")
        default: Any = field.default
        shown = ",".join(map(str, default)) if widths else default
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=_widths if widths else {"int": int, "float": float, "str": str}[kind],
            choices={"likelihood": LIKELIHOODS, "precision": PRECISIONS}.get(field.name),
            metavar={"int": "N", "float": "X", "str": None}.get(kind, "N,N"),
            help=f"{sentence}{'; `none` for none' if widths else ''} (default: {shown})",
        )


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to compute; auto takes a GPU where there is one",
    )


def _train(options: argparse.Namespace) -> int:
    if options.out is None and not (options.estimate or options.save_config):
        raise RunError("There is no --out: name the folder that the run is to be kept in.")
    config = _settings(options)
    if options.save_config is not None:
        if config is None:
            raise RunError("There are no settings to save: name a --dataset or a CONFIG.")
        write_json(check_output_file(options.save_config), config.to_dict())
        print(f"{options.save_config}: the settings, for python -m vae train CONFIG --out FOLDER.")
        return 0
    if options.estimate:
        return _estimate(config, options)
    if hasattr(os, "nice"):
        os.nice(10)  # the app, and whoever else is at this machine, go first
    status = run(
        options.out,
        config,
        resume=options.resume,
        queue=options.queue,
        device=options.device,
        options=RunOptions(tsne=options.tsne),
    )
    if os.environ.get("RANK", "0") != "0":  # one process speaks for all
        return 0 if status.state in ("finished", "stopped") else 1
    print(
        f"{options.out}: {status.message}",
        file=sys.stderr if options.json or status.state == "failed" else sys.stdout,
    )
    if options.json:
        print(json.dumps({"folder": options.out, "state": status.state, "step": status.step}))
    return 0 if status.state in ("finished", "stopped") else 1


def _settings(options: argparse.Namespace) -> RunConfig | None:
    """The settings of a file, a preset or the run to be resumed, with flags in place of some."""

    def given(*names: str) -> dict[str, Any]:
        return {k: getattr(options, k) for k in names if getattr(options, k) is not None}

    run_wide = given("dataset", "start", "threads")
    presets = {preset.key: preset for preset in PRESETS}
    if options.config in presets:
        config = presets[options.config].config
    elif options.config == "-":
        config = _read_stdin()
    elif options.config is not None:
        config = read_config(options.config)
    elif options.resume and options.out and (Path(options.out) / "config.json").exists():
        config = read_config(options.out)
    elif "dataset" in run_wide:
        config = RunConfig(run_wide["dataset"])
    elif options.resume:
        return None
    else:
        raise RunError("There is no --dataset: name one, such as digits, or a folder of images.")
    network = given(*(field.name for field in fields(VAEConfig) if field.name != "image_shape"))
    training = given(*(field.name for field in fields(TrainingConfig)))
    config = replace(
        config,
        **run_wide,
        model=config.model | network,
        training=replace(config.training, **training),
    )
    if config.preset in presets and not presets[config.preset].describes(config):
        config = replace(config, preset=None)
    return config


def _read_stdin() -> RunConfig:
    try:
        return RunConfig.from_dict(json.loads(sys.stdin.read()))
    except ValueError as error:
        raise RunError(f"The settings on stdin cannot be read ({error}).") from error


def _estimate(config: RunConfig | None, options: argparse.Namespace) -> int:
    if config is None:
        raise RunError("There is nothing to estimate: name a --dataset or a CONFIG.")
    waiting = wait_for_turn(ESTIMATE, _log, lambda: False) if options.queue else nullcontext()
    with waiting:
        from .runs.setup import estimate

        found = estimate(config, options.device)
    if options.json:
        print(json.dumps(found))
    else:
        print(
            f"{found['seconds_per_epoch']:.1f} seconds per epoch, "
            f"{found['seconds'] / 60:.1f} minutes in all "
            f"({found['images_per_second']:.0f} images a second, "
            f"{found['parameters']:,} parameters)"
        )
    return 0


def _add_encode(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_encode)
    parser.add_argument("folder", help="a checkpoint's folder or name")
    parser.add_argument("--dataset", required=True, help="a name, or a folder or zip of images")
    parser.add_argument("--split", default="test", help="train or test")
    parser.add_argument("--out", required=True, metavar="FILE.safetensors")
    _add_device(parser)


def _encode(options: argparse.Namespace) -> int:
    out = check_output_file(options.out, _is_codes_file)
    if (out.parent / "model.safetensors").exists() or (out.parent / "config.json").exists():
        raise OutputError(f"{out.parent} is the folder of a model or a run. Name another one.")
    import torch

    from .checkpoint import load_checkpoint, write_tensors
    from .codes import encode
    from .datasets import load_dataset
    from .training.distributed import join, leave

    group = join(options.device)
    try:
        model = load_checkpoint(options.folder).to(group.device)
        data = load_dataset(options.dataset, options.split, image_shape=model.config.image_shape)
        codes = encode(model, data.images, group=group, workers=2)
        if group.writes:
            header = {"checkpoint": options.folder, "dataset": options.dataset}
            codes["checksum"] = data.images.checksums(codes["index"])
            tensors = {name: torch.from_numpy(values) for name, values in codes.items()}
            write_tensors(out, tensors, header | {"split": options.split})
            print(f"{options.out}: codes of {len(data):,} images.")
    finally:
        leave(group)
    return 0


def _is_codes_file(file: Path) -> bool:
    from .checkpoint import CheckpointError, read_tensors

    try:
        return {"checkpoint", "dataset", "split"} == read_tensors(file)[1].keys()
    except CheckpointError:
        return False


def _add_bounds(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_bounds)
    parser.description = (
        "Estimates ELBO and log p(x) of a checkpoint's reference images so well that what the app "
        "prints of them is true to the last digit, and keeps them with the codes. Goes on where "
        "it ended the last time."
    )
    parser.add_argument("folder", help="a checkpoint's folder or name")
    parser.add_argument("--images", type=int, metavar="N", help="only the first N")
    parser.add_argument(
        "--decodes",
        type=int,
        default=2_000,
        metavar="N",
        help="codes that each estimate decodes at most, 2000 by default",
    )
    parser.add_argument(
        "--elbo-only",
        action="store_true",
        help="leave log p(x) until it is asked for; takes a tenth of the time or less",
    )
    parser.add_argument(
        "--quadrature",
        action="store_true",
        help="log p(x) by adding up over the plane, for models of two dimensions",
    )


def _bounds(options: argparse.Namespace) -> int:
    from .checkpoint import (
        CheckpointError,
        find_checkpoint,
        load_card,
        load_checkpoint,
        load_codes,
    )
    from .codes import add_bounds, find_reference
    from .datasets import Dataset, load_dataset

    folder = find_checkpoint(options.folder)
    model, card = load_checkpoint(folder), load_card(folder)
    name = card.get("dataset")
    if not isinstance(name, str):
        raise CheckpointError(f"{folder}: the card names no dataset, so there are no images.")
    shape = model.config.image_shape

    def load(split: str) -> Dataset:
        return load_dataset(name, split, image_shape=shape)

    data, _, notices = find_reference(card, load_codes(folder), load)
    for notice in notices:
        raise CheckpointError(f"{folder}: {notice}")
    began = time.monotonic()

    def tell(done: int, count: int) -> None:
        if done % 100 == 0:
            print(f"{done:,} of {count:,}, {time.monotonic() - began:,.0f} s", file=sys.stderr)

    add_bounds(
        model,
        folder,
        data,
        limit=options.images,
        quadrature=options.quadrature,
        evidence=not options.elbo_only,
        decodes=options.decodes,
        tell=tell,
    )
    return 0


def _add_fit_codes(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_fit_codes)
    parser.description = (
        "Fits a distribution to the codes of a checkpoint's training images and keeps it with the "
        "checkpoint: draws, paths and how usual a code is come from it. About four minutes on two "
        "cores."
    )
    parser.add_argument("folder", help="a checkpoint's folder or name")
    parser.add_argument(
        "--images",
        type=int,
        default=16_000,
        metavar="N",
        help="training images whose codes it is fitted to, 16000 at most by default",
    )
    parser.add_argument(
        "--steps", type=int, default=9_000, metavar="N", help="at most, 9000 by default"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of weights and noise")


def _fit_codes(options: argparse.Namespace) -> int:
    from .code_distribution import fit_checkpoint

    began, shown = time.monotonic(), 0

    def tell(share: float) -> None:
        nonlocal shown
        if (percent := int(10 * share) * 10) > shown:
            shown = percent
            print(f"{percent} %, {time.monotonic() - began:,.0f} s", file=sys.stderr)

    found = fit_checkpoint(
        options.folder,
        images=options.images,
        steps=options.steps,
        seed=options.seed,
        progress=tell,
    )
    print(json.dumps(found.about, indent=1))
    return 0


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_evaluate)
    parser.add_argument("folder", help="a checkpoint's folder or name")
    parser.add_argument("--concepts", action="store_true", help="measure its concept vectors")
    parser.add_argument("--dataset", help="by default the one that the card names")
    parser.add_argument("--images", type=int, metavar="N", help="only the first N held-out images")
    parser.add_argument("--save", action="store_true", help="write the figures into the card too")
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")


def _evaluate(options: argparse.Namespace) -> int:
    from .checkpoint import find_checkpoint
    from .concepts.evaluation import evaluate_concepts
    from .evaluation import evaluate

    folder = find_checkpoint(options.folder)
    if options.save and is_alive(folder):
        raise RunError(f"{folder} is being trained, and its card with it. Save when it has ended.")
    if options.concepts and (options.save or options.dataset or options.images):
        raise OutputError(
            "--concepts takes none of --save, --dataset and --images: it measures what the card "
            "names, and prints it."
        )
    if options.concepts:
        found = evaluate_concepts(folder, log=_log)
    else:
        found = evaluate(
            folder, dataset=options.dataset, images=options.images, save=options.save, log=_log
        )
    print(json.dumps(found) if options.json else json.dumps(found, indent=2))
    return 0


def _log(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _widths(text: str) -> list[int]:
    if text in ("", "none", "0"):
        return []
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        keep_memory()
    status = main()
    if "WORLD_SIZE" in os.environ:  # one of several processes, which have imported torch
        from .training.distributed import end

        end(status)
    sys.exit(status)
