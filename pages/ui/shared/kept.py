"""Results of functions that are kept for all visitors: the ones used last, and so many bytes.

Only `pages/ui/shared/cache.py` uses this; pages take what it makes of it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import PurePath
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from torch import Tensor, nn

from vae.datasets import Dataset

__all__ = ["Results", "bytes_of", "digest"]

Keys = Mapping[type, Callable[[Any], Any]]

SMALL = 64_000  # bytes of results that are bounded by their number alone
_ELSEWHERE = (Dataset, nn.Module, type, ModuleType, FunctionType)  # counted by whoever keeps them


@dataclasses.dataclass
class _Entry:
    value: Any
    size: int
    used: int


class Results:
    """Keeps results of any number of functions, in all no more bytes than a bound.

    Where there are more, those that were used longest ago go first, but for small ones: these cost
    little, and their number is bounded for each function. A result that is larger than the bound
    is kept until the next one.

    Args:
        most: bytes.
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.RLock()
        self._kept: dict[Hashable, OrderedDict[bytes, _Entry]] = {}
        self._turns: dict[tuple[Hashable, bytes], threading.RLock] = {}
        self._clock = itertools.count()

    @property
    def bytes(self) -> int:
        """How many bytes the results have that count, the small ones left out."""
        with self._lock:
            return sum(entry.size for entry in self._large())

    def keep(self, function: Callable[..., Any], entries: int, keys: Keys) -> Callable[..., Any]:
        """Makes a function compute once what equal arguments give, as `cache.shared` says.

        Args:
            function: what computes.
            entries: results of it that are kept.
            keys: functions by type of argument, whose results stand for arguments of this type.
        """
        signature = inspect.signature(function)
        kept = self._kept[function] = OrderedDict()

        @functools.wraps(function)
        def remembered(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            counting = [(k, v) for k, v in bound.arguments.items() if not k.startswith("_")]
            key = digest(counting, keys)
            with self._lock:
                if (found := self._found(kept, key)) is not None:
                    return found.value
                turn = self._turns.setdefault((function, key), threading.RLock())
            with turn:
                with self._lock:
                    if (found := self._found(kept, key)) is not None:
                        return found.value
                try:
                    value = function(*args, **kwargs)
                    size = bytes_of(value)
                    with self._lock:
                        kept[key] = _Entry(value, size, next(self._clock))
                        while len(kept) > entries:
                            kept.popitem(last=False)
                        self._make_room(key)
                finally:
                    with self._lock:
                        self._turns.pop((function, key), None)
            return value

        def clear() -> None:
            with self._lock:
                kept.clear()

        remembered.clear = clear
        return remembered

    def clear(self) -> None:
        """Forgets all results."""
        with self._lock:
            for kept in self._kept.values():
                kept.clear()

    def _found(self, kept: OrderedDict[bytes, _Entry], key: bytes) -> _Entry | None:
        entry = kept.get(key)
        if entry is not None:
            kept.move_to_end(key)
            entry.used = next(self._clock)
        return entry

    def _large(self) -> Iterable[_Entry]:
        every = itertools.chain.from_iterable(kept.values() for kept in self._kept.values())
        return (entry for entry in every if entry.size > SMALL)

    def _make_room(self, latest: bytes) -> None:
        rest = sum(entry.size for entry in self._large()) - self._most
        if rest <= 0:
            return
        parts = [
            (entry.used, key, kept)
            for kept in self._kept.values()
            for key, entry in kept.items()
            if entry.size > SMALL and key != latest
        ]
        for _, key, kept in sorted(parts, key=lambda part: part[0]):
            if rest <= 0:
                return
            rest -= kept.pop(key).size


def digest(value: object, keys: Keys) -> bytes:
    """What is the same for equal values only, and tells 1 from True and from 1.0.

    Arrays and tensors count by type, shape and every element, dataclasses by their fields.

    Raises:
        TypeError: for a value of a type that is neither known here nor in `keys`.
    """
    found = hashlib.blake2b(digest_size=20)
    _feed(found.update, value, keys)
    return found.digest()


def _feed(take: Callable[[Any], None], value: object, keys: Keys) -> None:
    for kind, key in keys.items():
        if isinstance(value, kind):
            take(f"{kind.__qualname__}:".encode())
            _feed(take, key(value), keys)
            return
    if isinstance(value, Tensor):
        value = value.numpy()
        take(b"tensor:")
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        take(f"{value.dtype.str}{value.shape}".encode())
        take(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
    elif isinstance(value, bytes):
        take(b"bytes%d:" % len(value))
        take(value)
    elif value is None or isinstance(value, bool | int | float | str | PurePath):
        text = repr(value).encode(errors="surrogatepass")
        take(b"%d:" % len(text))
        take(text)
    elif isinstance(value, tuple | list | dict | set | frozenset):
        parts = value.items() if isinstance(value, dict) else value
        if isinstance(value, set | frozenset):
            parts = sorted(digest(part, keys) for part in value)
        take(f"{type(value).__name__}{len(value)}:".encode())
        for part in parts:
            _feed(take, part, keys)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        take(f"{type(value).__qualname__}:".encode())
        for each in dataclasses.fields(value):
            _feed(take, getattr(value, each.name), keys)
    else:
        raise TypeError(f"Nothing says when two {type(value).__qualname__} are equal; name a key.")


def bytes_of(value: object) -> int:
    """About how many bytes a result holds: its arrays, texts and what else it refers to.

    What several parts share counts once. Datasets and networks count as nothing, for others keep
    them.
    """
    seen: set[int] = set()
    rest, total = [value], 0
    while rest:
        one = rest.pop()
        if isinstance(one, Tensor):
            storage = one.untyped_storage()
            mark, size = storage.data_ptr(), storage.nbytes()
        else:
            while isinstance(one, np.ndarray) and isinstance(one.base, np.ndarray):
                one = one.base
            mark, size = id(one), 0
        if mark in seen or isinstance(one, _ELSEWHERE):
            continue
        seen.add(mark)
        if isinstance(one, np.ndarray):
            size = one.nbytes
        elif isinstance(one, bytes | bytearray | str):
            size = len(one)
        elif isinstance(one, dict):
            rest += [*one.keys(), *one.values()]
        elif isinstance(one, tuple | list | set | frozenset):
            rest += one
        elif not isinstance(one, Tensor):
            size = 8
            rest += vars(one).values() if hasattr(one, "__dict__") else ()
            slots = getattr(type(one), "__slots__", ())
            names = (slots,) if isinstance(slots, str) else slots
            rest += [getattr(one, name) for name in names if hasattr(one, name)]
        total += size
    return total
