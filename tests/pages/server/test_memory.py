"""Hours of use do not fill the server's memory, although it collects no garbage after each run."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from soak import share
from visitor import Visitor

VISITORS = 10  # at once
STAY = 25  # runs of one visitor, who then leaves
PAGES = {  # and what a visitor changes there
    "map": "model={model}&colour={colour}&keep=mean",
    "interpolate": "model={model}&at=0.{number}&frames=7",
    "concepts": "model={model}&strengths=0.{number}",
    "learn_reparameterisation": "model={model}&image={number}&e1=0.{number}",
    "train": "",
}
MODELS = ("digits", "digits-16", "fashion", "faces", "glyphs")


def visit(address: str, seed: int, count: int) -> int:
    """One visitor after another, each with so many runs; returns how many runs failed."""
    choose, failed = random.Random(seed), 0
    for done in range(0, count, STAY):
        with Visitor.at(address) as visitor:
            for _ in range(min(STAY, count - done)):
                page = choose.choice(list(PAGES))
                query = PAGES[page].format(
                    model=choose.choice(MODELS),
                    colour=choose.choice(("class", "kl", "none")),
                    number=choose.randrange(100),
                )
                messages = visitor.open(page, query)
                failed += any(
                    m.delta.new_element.WhichOneof("type") == "exception" for m in messages
                )
    return failed


def memory(process: int) -> float:
    """What a process holds in memory, in MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Needs Linux's /proc.")
@share("runs", 20, 4_800)  # twenty people for two hours, each with two runs a minute
def test_hours_of_use_leave_the_servers_memory_as_it_was(app_and_process, runs, record_property):
    address, process = app_and_process
    used = []
    with Visitor.at(address) as first:  # what is loaded once, is there before it is measured
        for model, colour in itertools.product(MODELS, ("class", "none")):
            first.open("map", f"model={model}&colour={colour}")
            first.open("concepts", f"model={model}&strengths=0.5")
    at_once = min(VISITORS, runs // 4)
    with ThreadPoolExecutor(at_once) as pool:
        for part in range(4):
            seeds = range(at_once * part, at_once * (part + 1))
            shares = itertools.repeat(runs // 4 // at_once)
            assert sum(pool.map(visit, itertools.repeat(address), seeds, shares)) == 0
            used.append(memory(process))
    record_property("runs", runs)
    record_property("MB after a quarter", round(used[0]))
    record_property("MB at the end", round(used[-1]))
    assert used[-1] - used[0] < 400, used
