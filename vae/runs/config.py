"""The configuration of a run, and its file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, get_type_hints

from ..config import ConfigError, Fields, VAEConfig
from ..files import read_file
from ..schema import SchemaError, convert, decode
from ..training.config import TrainingConfig

__all__ = ["MOST", "RunConfig", "RunError", "read_config", "reason_of"]

MOST = 1_000_000  # bytes of a file that holds one object
_MODEL = TypedDict("_MODEL", get_type_hints(VAEConfig), total=False)  # type: ignore[misc]


class RunError(ValueError):
    """An operation on a run failed; the message gives the reason and the remedy."""


@dataclass(frozen=True)
class RunConfig(Fields):
    """The configuration of a run.

    Args:
        dataset: name or path of a dataset, as for `load_dataset`.
        model: fields of `VAEConfig`, without `image_shape`, which depends on the data.
        training: hyperparameters of training.
        start: name or folder of the checkpoint from whose weights training starts.
        preset: name of the preset that the run uses.
        threads: number of processor threads; by default half of the cores, at most 8.
        fit_codes: whether to fit the distribution of the codes at the end.

    Raises:
        ConfigError: if a value is invalid; the message names the field, what was found and what
            was expected.
    """

    dataset: str
    model: dict[str, Any] = field(default_factory=dict)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    start: str | None = None
    preset: str | None = None
    threads: int = field(default_factory=lambda: max(1, min(8, (os.cpu_count() or 1) // 2)))
    fit_codes: bool = True

    def __post_init__(self) -> None:
        for name, kind, expected in (
            ("dataset", str, "the name or path of a dataset"),
            ("model", dict, "an object with fields of VAEConfig"),
            ("start", str | None, "the name or folder of a checkpoint"),
            ("preset", str | None, "the name of a preset"),
            ("fit_codes", bool, "true or false"),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ConfigError(f"{name} is {value!r}; expected {expected}.")
        if unknown := sorted(set(self.model) - set(VAEConfig.__dataclass_fields__)):
            raise ConfigError(f"model has unknown fields {unknown}; expected those of VAEConfig.")
        try:
            convert(self.model, _MODEL)
        except SchemaError as error:
            raise ConfigError(f"model: {error}.") from error
        self._number("threads", 1, 1024, whole=True)

    @classmethod
    def from_dict(cls, fields: Any) -> RunConfig:
        """Creates a configuration from the output of `to_dict`.

        Raises:
            ConfigError: if `fields` is not an object with known fields and valid values.
        """
        if isinstance(fields, dict) and "training" in fields:
            fields = fields | {"training": TrainingConfig.from_dict(fields["training"])}
        return super().from_dict(fields)


def read_config(source: str | Path) -> RunConfig:
    """Reads the configuration of a run.

    Args:
        source: folder of the run, or a file of settings such as its `config.json`.

    Raises:
        RunError: if the folder holds no run, or the file is missing or damaged.
    """
    file = Path(source)
    if not file.is_file():
        file /= "config.json"
    try:
        return RunConfig.from_dict(decode(read_file(file, MOST)))
    except (FileNotFoundError, NotADirectoryError):
        if Path(source).is_dir():
            raise RunError(f"{source} holds no run: {file.name} is missing.") from None
        raise RunError(
            f"{source}: no such file; expected a file of settings or the folder of a run."
        ) from None
    except (OSError, ValueError) as error:
        remedy = "Put the file back as it was"
        if file != Path(source):
            remedy += ", or delete the run"
        raise RunError(f"{file} cannot be read ({reason_of(error)}). {remedy}.") from error


def reason_of(error: Exception) -> str:
    """What the system or a schema says of a file that cannot be read, for a message."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
