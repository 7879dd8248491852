"""The command line: `python -m vae train | import | encode | evaluate | …`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from .arguments import build_parser
from .config import VAEConfig
from .data_commands import import_data, import_own_model, list_imports, train_for_import
from .durations import time_words
from .files import OutputError, check_output_file
from .runs.config import RunConfig, RunError, read_config
from .runs.folder import is_alive, write_json
from .runs.options import RunOptions
from .runs.presets import PRESETS
from .runs.process import give_way, run
from .runs.queue import ESTIMATE, wait_for_turn
from .terminal import Display
from .training.config import TrainingConfig
from .training.memory import keep_memory

# torch and its dependants are imported on use: a process that waits in the queue does not need it.


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit status, 0 for success."""
    parser = build_parser(
        train=_train,
        encode=_encode,
        bounds=_bounds,
        fit_codes=_fit_codes,
        evaluate=_evaluate,
        import_data=import_data,
        datasets=list_imports,
        classifier=train_for_import,
        import_model=import_own_model,
    )
    options = parser.parse_args(arguments)
    quiet = options.quiet or os.environ.get("RANK", "0") != "0"  # only rank 0 prints
    try:
        with Display(quiet) as options.display:
            return options.command(options)
    except ValueError as error:  # the base class of all errors of the library
        print(f"{error}", file=sys.stderr)
        return 2
    except OSError as error:
        from .runs.setup import explain

        print(explain(error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(options.interrupted, file=sys.stderr)
        return 130


def _train(options: argparse.Namespace) -> int:
    if options.out is None and not (options.estimate or options.save_config):
        raise RunError("There is no --out: name the folder of the run.")
    config = _settings(options)
    if options.save_config is not None:
        if config is None:
            raise RunError("There are no settings to save: name a --dataset or a CONFIG.")
        write_json(check_output_file(options.save_config), config.to_dict())
        print(f"{options.save_config}: the settings, for python -m vae train CONFIG --out FOLDER.")
        return 0
    if options.estimate:
        return _estimate(config, options)
    give_way()
    status = run(
        options.out,
        config,
        resume=options.resume,
        queue=options.queue,
        device=options.device,
        options=RunOptions(tsne=options.tsne, follow_links=options.dataset is not None),
        watch=options.display.status,
    )
    if os.environ.get("RANK", "0") != "0":  # only rank 0 prints
        return 0 if status.state in ("finished", "stopped") else 1
    print(
        f"{options.out}: {status.message}",
        file=sys.stderr if options.json or status.state in ("failed", "diverged") else sys.stdout,
    )
    if options.json:
        print(json.dumps({"folder": options.out, "state": status.state, "step": status.step}))
    return 0 if status.state in ("finished", "stopped") else 1


def _settings(options: argparse.Namespace) -> RunConfig | None:
    """The settings of a file, a preset or the run to be resumed, overridden by flags."""

    def flags(*names: str) -> dict[str, Any]:
        return {k: getattr(options, k) for k in names if getattr(options, k) is not None}

    run_wide = flags("dataset", "start", "threads", "fit_codes")
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
    network = flags(*(field.name for field in fields(VAEConfig) if field.name != "image_shape"))
    training = flags(*(field.name for field in fields(TrainingConfig)))
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
    waiting = (
        wait_for_turn(ESTIMATE, options.display.log, lambda: False)
        if options.queue
        else nullcontext()
    )
    with waiting:
        from .runs.setup import estimate

        options.display.log("Training for some seconds to estimate the time.")
        estimated = estimate(config, options.device)
    if options.json:
        print(json.dumps(estimated))
    else:
        print(
            f"{estimated['seconds_per_epoch']:.1f} seconds per epoch, "
            f"{estimated['seconds'] / 60:.1f} minutes in all "
            f"({estimated['images_per_second']:.0f} images a second, "
            f"{estimated['parameters']:,} parameters)"
        )
        if estimated["fit_seconds"]:
            print(f"Then {time_words(estimated['fit_seconds'])} to learn where its codes lie.")
    return 0


def _encode(options: argparse.Namespace) -> int:
    out = check_output_file(options.out, _is_codes_file)
    if (out.parent / "model.safetensors").exists() or (out.parent / "config.json").exists():
        raise OutputError(f"{out.parent} is the folder of a model or a run. Name another one.")
    import torch

    from .checkpoint import load_checkpoint
    from .codes import encode
    from .datasets import load_dataset
    from .tensors import write_tensors
    from .training.distributed import join, leave

    group = join(options.device)
    try:
        model = load_checkpoint(options.folder).to(group.device)
        shape, display = model.config.image_shape, options.display
        data = load_dataset(options.dataset, options.split, display.share, image_shape=shape)
        display.log(f"Encoding {len(data):,} images.")
        count = -(-len(data) // group.size)  # this process's share

        def report_progress(done: int) -> None:
            display.progress(done, count)

        codes = encode(model, data.images, group=group, workers=2, progress=report_progress)
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
    from .tensors import CheckpointError, read_tensors

    try:
        return {"checkpoint", "dataset", "split"} == read_tensors(file)[1].keys()
    except CheckpointError:
        return False


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
        raise CheckpointError(
            f"{folder}: the card names no dataset; expected that of its reference images."
        )
    shape = model.config.image_shape

    def load(split: str) -> Dataset:
        return load_dataset(name, split, options.display.share, image_shape=shape)

    data, _, notices = find_reference(card, load_codes(folder), load)
    for notice in notices:
        raise CheckpointError(f"{folder}: {notice}")
    options.display.log(f"Estimating the bounds of {folder}.")
    add_bounds(
        model,
        folder,
        data,
        limit=options.images,
        quadrature=options.quadrature,
        evidence=not options.elbo_only,
        decodes=options.decodes,
        tell=options.display.progress,
    )
    return 0


def _fit_codes(options: argparse.Namespace) -> int:
    from .code_fitting import fit_checkpoint

    display = options.display
    distribution = fit_checkpoint(
        options.folder,
        images=options.images,
        steps=options.steps,
        seed=options.seed,
        log=display.log,
        progress=display.fraction,
    )
    print(json.dumps(distribution.about, indent=1))
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from .checkpoint import find_checkpoint
    from .concepts.evaluation import evaluate_concepts
    from .evaluation import evaluate

    folder = find_checkpoint(options.folder)
    if options.save and is_alive(folder):
        raise RunError(
            f"{folder} is being trained, which writes its card. Use --save when the run has ended."
        )
    others = options.save or options.dataset or options.images or options.realism
    if options.concepts and others:
        raise OutputError(
            "--concepts cannot be combined with --save, --dataset, --images or --realism: it "
            "evaluates the dataset that the card names, and prints the result."
        )
    display = options.display
    if options.concepts:
        report = evaluate_concepts(folder, log=display.log, progress=display.progress)
    else:
        report = evaluate(
            folder,
            dataset=options.dataset,
            images=options.images,
            realism=options.realism,
            save=options.save,
            log=display.log,
            progress=display.progress,
        )
    print(json.dumps(report) if options.json else json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        keep_memory()
    status = main()
    if "WORLD_SIZE" in os.environ:  # one of several processes, which have imported torch
        from .training.distributed import end

        end(status)
    sys.exit(status)
