"""The service under load, beside a minimal one of FastAPI and scikit-learn: same essays, same run, taking turns.

    python -m benchmarks.load [--data=../shared/data] [--seconds=3] [--repeats=2] [--requests=100000]

wrk asks (`apt-get install wrk`), since client and service share the cores: it takes a tenth of what a client in Python
would, which is used for the constant rate only, as wrk has none. Both run on 127.0.0.1. Prints Markdown.
"""

import asyncio
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Self

import fire
import numpy as np
import psutil

from benchmarks.constant_rate import ask_at
from benchmarks.speed import SAMPLE, essays

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "load.lua"
CLIENTS = (1, 4, 16, 64, 256)
BATCH = 100
N_ESSAYS = 2000
TIMEOUT_SECONDS = 2
REST_SECONDS = 3
PART_SECONDS, MOST_SECONDS = 5, 180  # of the endurance run


class Service:
    """A process that serves, started again if it does not come to rest.

    Args:
        name: in the tables.
        command: of Python, which says the address on its error stream.
    """

    def __init__(self, name: str, *command: str) -> None:
        self.name = name
        self._command = command

    def __enter__(self) -> Self:
        self._said = tempfile.TemporaryFile("w+")
        self._started = subprocess.Popen(
            [sys.executable, *self._command], cwd=ROOT, stderr=self._said
        )
        self.process = psutil.Process(self._started.pid)
        until = time.monotonic() + 120
        while not (found := self._told()):
            if self._started.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.name} did not start")
            time.sleep(0.1)
        self.address = found[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._started.kill()
        self._started.wait()
        self._said.close()

    def _told(self) -> re.Match[str] | None:
        self._said.seek(0)
        return re.search(r"serving on (http://\S+)\s", self._said.read())

    def megabytes(self) -> float:
        """Return the memory in use."""
        return self.process.memory_info().rss / 1e6

    def cpu_seconds(self) -> float:
        """Return the processor time used so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def rest(self) -> None:
        """Wait until nothing is at work of what clients asked that have gone since, or start anew."""
        until = time.monotonic() + REST_SECONDS
        while time.monotonic() < until:
            before = self.cpu_seconds()
            time.sleep(0.2)
            if self.cpu_seconds() - before < 0.1:
                return
        self.__exit__()
        self.__enter__()


@dataclass(frozen=True)
class Outcome:
    """Answers by kind: 200, 503, others, none for a broken connection or within 2 s; milliseconds."""

    answers: int
    refused: int
    others: int
    broken: int
    timeouts: int
    seconds: float
    p50: float
    p99: float
    max: float

    @property
    def served(self) -> float:
        """Requests a second that were answered with 200."""
        return (self.answers - self.refused - self.others) / self.seconds

    @property
    def errors(self) -> int:
        """What is no answer, or one that should not be."""
        return self.others + self.broken + self.timeouts


def ask(service: Service, bodies: Path, clients: int, seconds: float) -> Outcome:
    """Let so many clients ask, each as soon as it has its answer."""
    service.rest()
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:.0f}s", f"--timeout={TIMEOUT_SECONDS}s"]
    address = f"{service.address}/api/v1/predict"
    done = subprocess.run(
        [*command, "-s", str(SCRIPT), address, "--", str(bodies)],
        capture_output=True,
        text=True,
        check=True,
    )
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


def saturation(
    services: list[Service], bodies: dict[int, Path], seconds: float, repeats: int
) -> Iterator[str]:
    """Closed loop: more and more clients."""
    yield (
        "| essays a request | clients | "
        + " | ".join(f"{s.name}: requests/s | p50, p99 ms | errors" for s in services)
        + " | ratio |"
    )
    yield "|---|---|" + "---|---|---|" * len(services) + "---|"
    for size, file in bodies.items():
        for clients in CLIENTS:
            found: dict[str, list[Outcome]] = {service.name: [] for service in services}
            for _ in range(repeats):
                for service in services:
                    found[service.name].append(ask(service, file, clients, seconds))
            rates = [median(o.served for o in outcomes) for outcomes in found.values()]
            cells = [f"{_figures(outcomes)}" for outcomes in found.values()]
            ratio = f"{rates[0] / rates[-1]:.1f}" if rates[-1] else "-"
            yield f"| {size} | {clients} | " + " | ".join(cells) + f" | {ratio} |"


def _figures(outcomes: list[Outcome]) -> str:
    p50, p99 = median(o.p50 for o in outcomes), median(o.p99 for o in outcomes)
    refused = sum(o.refused for o in outcomes)
    turned_away = f", {refused} x 503" if refused else ""
    rate = median(o.served for o in outcomes)
    return f"{rate:,.0f} | {p50:,.1f}, {p99:,.1f} | {sum(o.errors for o in outcomes)}{turned_away}"


def half(services: list[Service], file: Path, seconds: float) -> Iterator[str]:
    """Open loop: half of what a service can do, at a constant rate, whether it keeps up or not."""
    yield "| at half of saturation | requests/s | p50 ms | p99 ms | errors |"
    yield "|---|---|---|---|---|"
    bodies = [line.encode() for line in file.read_text("utf-8").splitlines()]
    for service in services:
        rate = ask(service, file, 16, seconds).served / 2
        n = int(rate * 2 * seconds) + 1
        asked = islice(cycle(bodies), n)
        milliseconds, errors = asyncio.run(ask_at(service.address, asked, rate))
        p50, p99 = np.percentile(milliseconds, (50, 99))
        yield f"| {service.name} | {rate:,.0f} | {p50:.1f} | {p99:.1f} | {errors} |"


def endurance(service: Service, file: Path, requests: int) -> Iterator[str]:
    """Many requests in a row: errors, and whether memory grows."""
    answers, memory, errors = [0], [service.megabytes()], 0
    began, cpu = time.perf_counter(), service.cpu_seconds()
    while answers[-1] < requests and time.perf_counter() - began < MOST_SECONDS:
        outcome = ask(service, file, 16, PART_SECONDS)
        answers.append(answers[-1] + outcome.answers)
        memory.append(service.megabytes())
        errors += outcome.errors + outcome.refused
    seconds, used = time.perf_counter() - began, (service.cpu_seconds() - cpu) / answers[-1]
    slope = np.polyfit(answers[1:], memory[1:], 1)[0] * answers[-1] / memory[1]
    yield (
        f"{answers[-1]:,} requests of one essay by 16 clients in {seconds:.0f} s: {errors} errors; memory from "
        f"{memory[1]:.1f} to {memory[-1]:.1f} MB, a slope of {100 * slope:+.1f} % over all of them; "
        f"{1e6 * used:.0f} us of processor time a request."
    )


def beyond(services: list[Service], bodies: dict[int, Path], seconds: float) -> Iterator[str]:
    """What becomes of far too many clients, who come again at once when they are turned away."""
    yield "| past saturation | clients | essays | 200 a second | 503 | over 2 s | other errors | p99 ms | longest ms |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for size, file in bodies.items():
        for clients in (256, 1000):
            for service in services:
                o = ask(service, file, clients, seconds)
                yield (
                    f"| {service.name} | {clients} | {size} | {o.served:,.0f} | {o.refused} | {o.timeouts} | "
                    f"{o.others + o.broken} | {o.p99:,.0f} | {o.max:,.0f} |"
                )


def _bodies(texts: list[str], folder: Path) -> dict[int, Path]:
    """Write requests of one essay and of a hundred, a line each."""
    files = {1: folder / "one.jsonl", BATCH: folder / "many.jsonl"}
    files[1].write_text("\n".join(json.dumps({"text": text}) for text in texts), "utf-8")
    batches = [texts[i : i + BATCH] for i in range(0, len(texts) - BATCH + 1, BATCH)]
    files[BATCH].write_text("\n".join(json.dumps({"texts": b}) for b in batches), "utf-8")
    return files


def main(
    *,
    data: str = "../shared/data",
    seconds: float = 3,
    repeats: int = 2,
    requests: int = 100_000,
) -> None:
    """Print the tables, each line as soon as it is measured.

    Args:
        data: folder of the corpora; the sample that comes along is used where it is missing.
        seconds: of each measurement, a whole number.
        repeats: of each, taking turns; medians are told.
        requests: of the endurance run.
    """
    if not shutil.which("wrk"):
        raise SystemExit("This takes wrk: apt-get install wrk.")
    texts = essays(Path(data))["text"].head(N_ESSAYS).tolist()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}"
    print(
        f"Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}, {machine}; {len(texts)}"
    )
    print(f"essays of {np.mean([len(t.split()) for t in texts]):.0f} words on average.\n")
    with tempfile.TemporaryDirectory() as folder:
        bodies = _bodies(texts, Path(folder))
        ours = ["model.py", "serve", "--port=0", f"--data_dir={folder}"]
        theirs = ["-m", "benchmarks.minimal_service", str(SAMPLE)]
        with Service("ai_detect", *ours) as us, Service("minimal", *theirs) as them:
            both = [us, them]
            for service in both:
                ask(service, bodies[1], 4, 1)  # warm
            for table in (
                half(both, bodies[1], seconds),
                saturation(both, bodies, seconds, repeats),
                beyond(both, bodies, seconds),
                endurance(us, bodies[1], requests),
            ):
                for line in table:
                    print(line, flush=True)
                print(flush=True)


if __name__ == "__main__":
    fire.Fire(main)
