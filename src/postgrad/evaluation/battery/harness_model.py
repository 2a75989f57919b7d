"""Our language model, adapters and all, as the lm-evaluation-harness wants a model. Imported only where lm-eval is
installed.

Requests are tokenised as the harness's own `hf` model does: context and continuation together, cut where the context's
tokens end, cut from the left to the model's context; the beginning token stands for an empty context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from lm_eval import utils
from lm_eval.api.model import LM

from postgrad.errors import Interrupted
from postgrad.json_types import JsonObject
from postgrad.models.generation.generate import Decoding, complete
from postgrad.models.generation.likelihood import ChoiceItem, encode_item, greedy_log_likelihoods
from postgrad.models.language_model import LanguageModel

ROOM = 256
"""New tokens where a task names no limit, as in the harness."""


class HarnessRequest(Protocol):
    """What is asked, as the harness hands it over: texts, and the settings of generation."""

    @property
    def args(self) -> tuple[Any, ...]: ...


class HarnessModel(LM):
    """Answers the harness's three kinds of request with a model as it stands.

    Args:
        model: With or without an adapter in place.
        stopped: Asked between batches.
    """

    def __init__(self, model: LanguageModel, stopped: Callable[[], bool] = lambda: False) -> None:
        super().__init__()
        self.model, self.stopped = model, stopped
        tokens = model.renderer.template.tokens
        self._begin = model.renderer.encode(tokens.get("bos_token") or tokens.get("eos_token") or "")[:1] or [0]

    def loglikelihood(self, requests: Sequence[HarnessRequest]) -> list[tuple[float, bool]]:
        """Log-probability of each continuation, and whether greedy decoding would write it; one context is computed
        once for its neighbours."""
        grouped: list[tuple[str, list[str]]] = []
        for request in requests:
            context, continuation = request.args
            if grouped and grouped[-1][0] == context:
                grouped[-1][1].append(continuation)
            else:
                grouped.append((context, [continuation]))
        items = [item for context, continuations in grouped for item in self._encode(context, continuations)]
        return [value for values in self._score(items) for value in values]

    def loglikelihood_rolling(self, requests: Sequence[HarnessRequest]) -> list[float]:
        """Log-probability of whole texts, in windows of the model's context."""
        out = []
        for request in requests:
            ids = self.model.renderer.encode(request.args[0])
            windows = utils.get_rolling_token_windows(ids, self._begin[0], self.model.base.context - 1, 1)
            pairs = [utils.make_disjoint_window(window) for window in windows]
            items = [ChoiceItem(tuple(context), (tuple(continuation),)) for context, continuation in pairs]
            out.append(sum(value for ((value, _),) in self._score(items)))
        return out

    def generate_until(self, requests: Sequence[HarnessRequest]) -> list[str]:
        """Texts up to the first stop text; equal settings are decoded together."""
        groups: dict[Decoding, list[int]] = {}
        for place, request in enumerate(requests):
            groups.setdefault(_decoding(request.args[1]), []).append(place)
        texts: dict[int, str] = {}
        for decoding, places in groups.items():
            room = max(1, self.model.base.context - decoding.max_new_tokens)
            prompts = [(self.model.renderer.encode(requests[p].args[0]) or self._begin)[-room:] for p in places]
            for index, completion in complete(self.model, prompts, decoding, stopped=self.stopped):
                texts[places[index]] = completion.text
        if len(texts) < len(requests):
            raise Interrupted("Interrupted while a task of lm-eval was being measured.")
        return [texts[place] for place in range(len(requests))]

    def _encode(self, context: str, continuations: list[str]) -> Iterator[ChoiceItem]:
        """One item where all fit, else one a continuation, each cut from the left."""
        limit = self.model.base.context
        if context:
            item = encode_item(self.model, context, continuations)
        else:
            item = ChoiceItem(tuple(self._begin), tuple(tuple(self.model.renderer.encode(c)) for c in continuations))
        if len(item.context) + max(map(len, item.choices)) <= limit:
            yield item
            return
        for choice in item.choices:
            whole = (*item.context, *choice)[-limit:]
            kept = min(len(choice), len(whole) - 1)
            yield ChoiceItem(whole[:-kept], (whole[-kept:],))

    def _score(self, items: list[ChoiceItem]) -> list[list[tuple[float, bool]]]:
        found: dict[int, list[tuple[float, bool]]] = {}
        for index, values in greedy_log_likelihoods(self.model, items) if items else ():
            found[index] = values
            if self.stopped():
                raise Interrupted("Interrupted while a task of lm-eval was being measured.")
        return [found[i] for i in range(len(items))]


def _decoding(settings: JsonObject) -> Decoding:
    """The harness's settings as ours; greedy unless a task samples."""
    until = settings.get("until") or []
    stop = (until,) if isinstance(until, str) else tuple(u for u in until if u)
    temperature = float(settings.get("temperature") or 0.0) if settings.get("do_sample") else 0.0
    room = int(settings.get("max_gen_toks") or ROOM)
    return Decoding(room, temperature, float(settings.get("top_p") or 1.0), stop=stop)
