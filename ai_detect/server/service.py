"""What the routes share: the model, the jobs, the figures, and threads for what takes long."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ai_detect.scorer import available_cores
from ai_detect.server.answers import Answer, Question, explained, predicted
from ai_detect.server.drift_monitor import DriftMonitor
from ai_detect.server.jobs import Jobs
from ai_detect.server.limits import INLINE
from ai_detect.server.models import Models, ServedModel
from ai_detect.server.overload import Threads
from ai_detect.server.settings import Settings
from ai_detect.server.telemetry import Telemetry, forget_dead_workers

logger = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_TICKS_PER_DRIFT = 10


@dataclass
class Service:
    """One process of the service."""

    settings: Settings
    models: Models
    jobs: Jobs
    telemetry: Telemetry
    drift: DriftMonitor
    threads: Threads = field(default_factory=lambda: Threads(available_cores()))

    @classmethod
    def start(cls, settings: Settings, model: ServedModel) -> "Service":
        """Put the parts together around a model."""
        telemetry, drift = Telemetry(), DriftMonitor()

        def swapped(served: ServedModel) -> None:
            telemetry.swapped(served)
            drift.swapped(served)

        models = Models(settings, model, on_swap=swapped, on_refusal=telemetry.refused_model)
        return cls(settings, models, Jobs(settings), telemetry, drift)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the published model and take figures once a second, until the block ends."""
        forget_dead_workers()
        tasks = [
            asyncio.create_task(self.models.follow()),
            asyncio.create_task(self._tick()),
        ]
        for task in tasks:
            task.add_done_callback(_report)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self.jobs.stop()
            self.threads.close()

    async def predict(self, texts: list[str], asked: Question) -> bytes:
        """Score texts and count them; few words at once, many in a thread."""
        model = self.models.current
        if sum(map(len, texts)) <= INLINE:
            answer = predicted(model, texts, asked)
        else:
            answer = await self.threads.run(predicted, model, texts, asked)
        self._count(model, answer)
        return answer.body

    async def explain(self, text: str, asked: Question, *, windows: bool) -> bytes:
        """Explain a text and count it."""
        model = self.models.current
        answer = await self.threads.run(explained, model, text, asked, windows=windows)
        self._count(model, answer)
        return answer.body

    def _count(self, model: ServedModel, answer: Answer) -> None:
        self.telemetry.scored(answer.predictions, answer.called)
        if model is self.models.current:
            self.drift.add(answer.predictions)

    async def _tick(self) -> None:
        ticks = 0
        while True:
            self.drift.count()
            await asyncio.to_thread(self.telemetry.look_around, self.settings.data_dir)
            if ticks % _TICKS_PER_DRIFT == 0:
                if self.drift.has_reference:
                    self.telemetry.show_drift(await asyncio.to_thread(self.drift.report))
                self.telemetry.show_jobs(await asyncio.to_thread(self.jobs.counts))
            ticks += 1
            await asyncio.sleep(_TICK_SECONDS)


def _report(task: asyncio.Task[None]) -> None:
    """Say it aloud if what runs for ever has ended."""
    if not task.cancelled() and (error := task.exception()):
        logger.critical("a task of the service ended: restart it", exc_info=error)
