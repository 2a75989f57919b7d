"""Answers step by step, for the one thread that computes.

Requests on one base grow together, each with its own adapter, where the base is computed by hand and what was trained
is low-rank (`live_model`). All others have the model to themselves for a step at a time: each step first makes sure
that the right weights are in place, so answers cannot mix however the steps are ordered.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from postgrad.errors import ModelError, PostgradError
from postgrad.models.base_models import BaseModel
from postgrad.models.canary import UnfaithfulError
from postgrad.models.generation.incremental import Piece, answer
from postgrad.models.generation.logits import Token
from postgrad.models.generation.pace import Pace
from postgrad.models.generation.prompt_scoring import scored_prompt
from postgrad.models.language_model import LanguageModel
from postgrad.serving.inference.live_model import LiveAnswers, LiveModel
from postgrad.serving.inference.model_cache import ModelCache
from postgrad.serving.inference.prepared import PreparedRequest, Served

_log = logging.getLogger(__name__)


class Computing:
    """What is in memory, and the requests that are answered from it.

    Args:
        folder: Gives the folder of trained weights by their digest.

    Attributes:
        out_of_service: Models that do not answer as they were trained, by the digests of their blobs, and why.
    """

    def __init__(self, folder: Callable[[str], Path]) -> None:
        self._folder = folder
        self.loaded = ModelCache(folder)
        self._live: LiveModel | None = None
        self._shares: dict[str, bool] = {}
        self._whole: set[str] = set()
        self._coming: list[Steps] = []
        self._one = threading.Lock()
        self.out_of_service: dict[str, str] = {}
        self._looked = time.monotonic()

    def begin(self, base: BaseModel, request: PreparedRequest) -> Steps:
        """The request's answers; they begin with the first step that is asked for, on this request or another that they
        can grow with."""
        steps = Steps(self, base, request)
        with self._one:
            self._coming.append(steps)
        return steps

    def shares(self, served: Served) -> bool:
        """Whether requests to this model grow together with others on its base, as far as is known yet."""
        return self._shares.get(served.base, False) and served.blob not in self._whole

    def live(self, base: BaseModel, served: Served) -> LiveModel | None:
        """The base, as it is where requests grow together; None where this one cannot."""
        if served.blob in self._whole or self._shares.get(served.base) is False:
            return None
        if self._live is not None and (self._live.broken or self._live.model.base is not base):
            self._live = None  # free the old one before the new one is read
        model = self.loaded.use(base, None)
        if self._live is None or self._live.model is not model:
            self._live = LiveModel.of(model, self._folder)
            self._shares[served.base] = self._live is not None
        return self._live

    def must_be_alone(self, served: Served) -> None:
        """What was trained is more than low-rank products, and has to be put into the weights."""
        if served.blob:
            self._whole.add(served.blob)

    def come(self, live: LiveModel) -> None:
        """All that wait to begin on a base do, so that their prompts are read together."""
        with self._one:
            coming = [steps for steps in self._coming if steps.base is live.model.base]
        for steps in coming:
            steps.join(live)

    def gone(self, steps: Steps) -> None:
        """A request that has begun, or was given up."""
        with self._one:
            if steps in self._coming:
                self._coming.remove(steps)

    def alone(self, base: BaseModel, served: Served) -> LanguageModel:
        """The model with the trained weights put into its own.

        Raises:
            ModelError: it cannot be loaded, or was taken out of service.
        """
        self.refuse_faulty(served)
        try:
            return self.loaded.use(base, served.blob, served.canary)
        except UnfaithfulError as error:
            self.take_out(served.blob or "", error.message)
            raise

    def refuse_faulty(self, served: Served) -> None:
        """Refuses a model that was taken out of service.

        Raises:
            ModelError: it was.
        """
        if fault := self.out_of_service.get(served.blob or ""):
            raise ModelError(
                f"{served.name!r} was taken out of service: {fault}.",
                "`postgrad models verify --repair` and a restart may mend it; `postgrad models rollback` goes back to"
                " the version before it.",
            )

    def look_through(self, every: float) -> None:
        """Asks the canaries of what is in memory, once in so many seconds; what fails twice is out of service."""
        if time.monotonic() - self._looked < every:
            return
        self._looked = time.monotonic()
        if fault := self.loaded.fault():
            self.take_out(*fault)
        if self._live is None or self._live.broken or self.loaded.placed is not None:
            return  # another model's weights are in place just now: it is asked next time
        for blob in self._live.adapters:
            if self._live.fault(blob) and (fault := self._live.fault(blob)):
                self.take_out(blob, fault)

    def take_out(self, blob: str, fault: str) -> None:
        """Has a model refused from here on."""
        _log.error("The model %s is taken out of service: %s", blob, fault)
        self.out_of_service[blob] = fault

    def unload_after(self, seconds: float) -> bool:
        """Gives the memory back when nothing was asked for so long; says whether it did."""
        if not self.loaded.unload_after(seconds):
            return False
        self._live = None
        return True


class Steps:
    """The answers of one request, growing.

    Attributes:
        base: The base model that is asked.
    """

    def __init__(self, computing: Computing, base: BaseModel, request: PreparedRequest) -> None:
        self.base = base
        self._computing, self._request = computing, request
        self._live: LiveModel | None = None
        self._together: LiveAnswers | None = None
        self._model: LanguageModel | None = None
        self._alone: Iterator[tuple[Piece, ...]] | None = None
        self._fault: PostgradError | None = None

    def next(self) -> tuple[Piece, ...] | None:
        """What the next token brings; None at the end.

        Raises:
            ModelError: the model cannot be loaded, or was given up between two steps.
        """
        if self._alone is None:
            live = self._computing.live(self.base, self._request.served)
            if self._together is not None and live is not self._live:
                raise _unloaded()
            if live is not None:
                self._computing.come(live)
            if self._fault is not None:
                raise self._fault
            if self._together is not None:
                return self._together.next()
        model = self._computing.alone(self.base, self._request.served)
        if self._alone is None:
            asked = self._request
            self._computing.gone(self)
            self._model = model
            self._alone = answer(model, asked.prompt, asked.decoding, asked.steering, asked.count)
        elif model is not self._model:
            raise _unloaded()
        return next(self._alone, None)

    def join(self, live: LiveModel) -> None:
        """Begins among the others, if it can; what prevents it is told when its own turn comes."""
        served = self._request.served
        if not self._computing.shares(served):
            return
        try:
            self._computing.refuse_faulty(served)
            self._together = live.begin(self._request)
        except UnfaithfulError as error:
            self._computing.take_out(served.blob or "", error.message)
            self._fault = error
        except PostgradError as error:
            self._fault = error
        if self._together is None and self._fault is None:
            self._computing.must_be_alone(served)
            return
        self._live = live
        self._computing.gone(self)

    def close(self) -> None:
        """Gives the memory of an unfinished answer back."""
        self._computing.gone(self)
        if self._together is not None:
            self._together.close()
        self._alone = self._model = self._together = self._live = None


class Scoring:
    """The log-probabilities of a request's prompt, part by part; the model is its own for each.

    Attributes:
        tokens: Those of the prompt after the first, once `next` gave None.
    """

    def __init__(self, computing: Computing, base: BaseModel, request: PreparedRequest) -> None:
        self._computing, self._base, self._request = computing, base, request
        self._model: LanguageModel | None = None
        self._work: Generator[None, None, list[Token]] | None = None
        self.tokens: list[Token] = []

    def next(self) -> bool:
        """Reads on; says whether there is more to read.

        Raises:
            ModelError: the model cannot be loaded, or was given up between two parts.
        """
        model = self._computing.alone(self._base, self._request.served)
        if self._work is None:
            asked = self._request
            self._model = model
            self._work = scored_prompt(model, asked.prompt, asked.steering.alternatives, Pace())
        elif model is not self._model:
            raise _unloaded()
        try:
            next(self._work)
        except StopIteration as end:
            self.tokens = end.value
            return False
        return True


def _unloaded() -> ModelError:
    return ModelError("The model was unloaded in the middle of the answer.", "Ask again.")
