"""The server asks what it serves whether it still answers as it was trained; others' servers can be asked the same."""

from __future__ import annotations

import openai
import pytest
import torch

from postgrad.blobs import Blobs
from postgrad.models.base_models import find_model
from postgrad.models.canary import Canary, canary_of
from postgrad.models.device import Device
from postgrad.models.language_model import LanguageModel
from postgrad.progress import finished
from postgrad.registry import Catalogue
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from postgrad.workflows.parity import parity
from tests.export.models import FLOAT32, register, stirred_adapter, whole_weights
from tests.serving.running import in_thread

ASKED = [{"role": "user", "content": "Where is order 7?"}]


def with_canary(base, trained, name="mine", planted=None):
    """A registered model whose canary is that of `planted`, where that is another."""
    blobs, catalogue = Blobs(), Catalogue()
    entry = register(base, trained, name="unnamed")
    model = LanguageModel(find_model(str(base)), FLOAT32)
    canary = canary_of(model, planted or trained, "x")
    fields = {f: getattr(entry, f) for f in ("base", "base_hash", "method", "blob", "template", "data_hash", "report")}
    details = {**entry.details, "canary": blobs.put_bytes(canary.to_bytes())}
    found = catalogue.add(name=name, details=details, **fields)
    catalogue.promote(found.id)
    return found


@pytest.fixture
def served(tiny_folder):
    engine = Engine(Catalogue(), [str(tiny_folder)])
    with in_thread(make_app(engine)) as address:
        yield engine, openai.OpenAI(base_url=address, api_key="none", max_retries=0), address


def chat(client, model):
    return client.chat.completions.create(model=model, messages=ASKED, max_tokens=4).choices[0].message.content


@pytest.mark.parametrize("make", [stirred_adapter, whole_weights])
def test_what_answers_as_it_was_trained_is_served(make, tiny_folder, served):
    with_canary(tiny_folder, make(tiny_folder))
    assert chat(served[1], "mine")


@pytest.mark.parametrize("make", [stirred_adapter, whole_weights])
def test_another_models_weights_are_not_served(make, tiny_folder, served):
    with_canary(tiny_folder, make(tiny_folder), planted=make(tiny_folder, seed=9))
    with pytest.raises(openai.APIStatusError, match=r"no longer answers|off what it said"):
        chat(served[1], "mine")
    assert chat(served[1], str(tiny_folder)), "the base answers on"


def test_an_adapter_that_changes_nothing_is_seen(tiny_folder, served):
    with_canary(tiny_folder, stirred_adapter(tiny_folder, strength=0.0), planted=stirred_adapter(tiny_folder))
    with pytest.raises(openai.APIStatusError, match="not applied"):
        chat(served[1], "mine")


def test_an_adapter_that_fails_later_is_taken_out_of_service(tiny_folder, served):
    import httpx

    engine, client, address = served
    with_canary(tiny_folder, stirred_adapter(tiny_folder))
    with_canary(tiny_folder, stirred_adapter(tiny_folder, seed=3), name="other")
    assert chat(client, "mine") and chat(client, "other")
    live = engine.computing._live
    blob = Catalogue().get("mine").blob
    assert engine.compute.submit(engine.computing.look_through, 0.0).result() is None
    assert not engine.computing.out_of_service
    for part in vars(live._adapters[blob]).values():  # memory that was overwritten
        for tensor in tensors_in(part):
            tensor.zero_()
    engine.compute.submit(engine.computing.look_through, 0.0).result()
    health = httpx.get(address.removesuffix("/v1") + "/health").json()
    assert health["status"] == "degraded" and list(health["out_of_service"]) == [blob]
    with pytest.raises(openai.APIStatusError, match="taken out of service"):
        chat(client, "mine")
    assert chat(client, "other")


def tensors_in(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from tensors_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors_in(one)
    elif hasattr(value, "__dict__"):
        yield from tensors_in(vars(value))
    elif hasattr(value, "__slots__"):
        yield from tensors_in([getattr(value, name) for name in value.__slots__])


def test_a_canary_knows_rounding_from_a_fault(tiny_folder):
    adapter = stirred_adapter(tiny_folder)
    exact = LanguageModel(find_model(str(tiny_folder)), FLOAT32)
    rounded = LanguageModel(find_model(str(tiny_folder)), Device("cpu", "test", "bfloat16", {"bfloat16": 1.0}, 1 << 34))
    canary = canary_of(exact, adapter, "a")
    assert Canary.from_bytes(canary.to_bytes()) == canary
    rounded.use(adapter, "a")
    with torch.inference_mode():
        now = rounded.head(rounded.body(input_ids=torch.tensor([canary.ids]))[0][:, -1])[0]
    assert canary.fault(now, "bfloat16") == ""
    assert "off what it said" in canary.fault(now + 2 * torch.randn_like(now) * now.std(), "bfloat16")
    base = torch.zeros_like(now).index_copy(0, torch.tensor(canary.places), torch.tensor(canary.base))
    assert "not applied" in canary.fault(base, "bfloat16")
    assert "none" in canary.fault(now * float("nan"), "bfloat16")


def test_this_server_is_held_to_the_trained_model_through_its_address(tiny_folder, served):
    entry = with_canary(tiny_folder, stirred_adapter(tiny_folder))
    _, _, address = served
    (right,) = finished(parity(entry.id, urls=[f"{address}#mine"]))
    assert right.held and right.distance is not None, right
    (wrong,) = finished(parity(entry.id, urls=[f"{address}#{tiny_folder}"]))
    assert not wrong.held and "as the base does" in str(wrong.checks)


def test_addresses_that_do_not_answer(tiny_folder, served):
    from postgrad.errors import UsageError

    entry = with_canary(tiny_folder, stirred_adapter(tiny_folder))
    with pytest.raises(UsageError, match="Nothing that speaks"):
        finished(parity(entry.id, urls=["http://127.0.0.1:9/v1#m"]))
    with pytest.raises(UsageError, match="Name one"):
        finished(parity(entry.id, urls=[served[2]]))


def test_a_promotion_takes_effect_at_once_and_mixes_nothing(tiny_folder, served):
    """Under load: every answer is one of the two versions', and after the move only the new one's."""
    import threading

    _, client, _ = served
    first = with_canary(tiny_folder, stirred_adapter(tiny_folder))
    second = register(tiny_folder, stirred_adapter(tiny_folder, seed=7), name="mine")
    right = {v: chat(client, f"mine@{v}") for v in (first.version, second.version)}
    assert right[1] != right[2]
    seen: list[str] = []
    over = threading.Event()

    def ask():
        while not over.is_set():
            seen.append(chat(client, "mine"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    while len(seen) < 8:
        over.wait(0.01)
    assert set(seen) == {right[1]}
    for move, version in (("promote", 2), ("rollback", 1), ("forward", 2)):
        getattr(Catalogue(), move)("mine@2" if move == "promote" else "mine")
        over.wait(1.0)  # what was asked before has been answered by now
        begin = len(seen)
        while len(seen) < begin + 8:
            over.wait(0.01)
        assert set(seen[begin:]) == {right[version]}, move
    over.set()
    for t in threads:
        t.join()
    assert set(seen) == set(right.values())
