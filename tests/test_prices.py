"""Prices have dates and sources, the device at hand its own, and a refresh takes all or leaves all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from postgrad.cli import main
from postgrad.costs import machine_price
from postgrad.errors import UsageError
from postgrad.models.remote.prices import fetch_tables, known_price, tables_at
from postgrad.prices import _parsed, all_prices, device_price, hosted_training, kept_at, refresh


class Served(HTTPServer):
    """Answers every request with `content`; counts nothing."""

    content: bytes = b"{}"
    status: int = 200


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Served)
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def served(tmp_path, monkeypatch) -> Iterator[Served]:
    monkeypatch.setenv("POSTGRAD_HOME", str(tmp_path / "home"))
    server = Served(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url(server: Served) -> str:
    return f"http://127.0.0.1:{server.server_port}/prices.json"


def price(usd: object = 1.5, **other: object) -> dict[str, object]:
    return {"usd": usd, "unit": "hour", "what": "our H100", "date": "2026-11-01", "source": "contract", **other}


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Tesla T4", "gpu_t4"),
        ("NVIDIA A10", "gpu_a10"),
        ("NVIDIA A10G", "gpu_a10g"),
        ("NVIDIA A100-SXM4-80GB", "gpu_a100"),
        ("NVIDIA H100 80GB HBM3", "gpu_h100"),
        ("NVIDIA H200", "gpu_h200"),
        ("NVIDIA L4", "gpu_l4"),
        ("NVIDIA L40S", "own_gpu"),
        ("NVIDIA GeForce RTX 3060", "gpu_consumer"),
        ("", "own_gpu"),
    ],
)
def test_each_device_has_its_own_price(name: str, key: str) -> None:
    assert device_price("cuda", name).key == key
    assert device_price("cpu", name).key == "own_cpu"
    found = machine_price("cuda", name=name)
    assert found.usd_per_hour == all_prices()[key].usd and all_prices()[key].source in found.assumption


@pytest.mark.usefixtures("served")
def test_every_price_names_its_source() -> None:
    assert all(p.source and p.what and p.unit for p in all_prices().values())
    assert [p.usd for p in hosted_training()] == sorted(p.usd for p in hosted_training())
    first = all_prices()["own_cpu"]
    assert not first.is_old(date(2026, 12, 1)) and first.is_old(date(2027, 12, 1))
    assert all_prices()["gpu_h100"].is_old(date(2026, 12, 1)), "a price without a day is never fresh"


def test_a_refresh_goes_before_what_is_shipped_and_a_failed_one_leaves_it(served: Served, capsys) -> None:
    served.content = json.dumps({"gpu_h100": price(names=["H100"])}).encode()
    # the tables of hosted models do not stand there: that is told, and does not keep the other source back
    assert main(["prices", "--refresh", "--url", url(served), "--tables", url(served)]) == 2
    told = capsys.readouterr().err.replace("\n", " ")
    assert "1 prices of http" in told and "No tables of genai-prices" in told
    assert machine_price("cuda", name="NVIDIA H100").usd_per_hour == 1.5
    assert device_price("cuda", "Tesla T4").key == "gpu_t4", "what the file does not name stays"
    before = kept_at().read_bytes()
    for content, status in (
        (b"<html>", 200),
        (b"[]", 200),
        (b"{}", 200),
        (json.dumps({"x": price("free")}).encode(), 200),
        (json.dumps({"x": price(-1)}).encode(), 200),
        (json.dumps({"x": price(date="yesterday")}).encode(), 200),
        (json.dumps({"x": price(names="H100")}).encode(), 200),
        (json.dumps({"x": price(colour="red")}).encode(), 200),
        (served.content, 500),
    ):
        served.content, served.status = content, status
        with pytest.raises(UsageError, match=r"could not be read|no prices") as raised:
            refresh(url(served))
        assert "Nothing was changed" in raised.value.mend
        assert kept_at().read_bytes() == before


@pytest.mark.usefixtures("served")
def test_bad_addresses_and_kept_files_are_told() -> None:
    with pytest.raises(UsageError, match="no address"):
        refresh("file:///etc/passwd")
    kept_at().parent.mkdir(parents=True, exist_ok=True)
    kept_at().write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        all_prices()


@pytest.mark.usefixtures("served")
def test_the_command_shows_age_and_source(capsys) -> None:
    assert main(["prices"]) == 0
    shown = capsys.readouterr()
    assert "days old" in shown.out and "https://" in shown.out and "undated" in shown.err.replace("\n", " ")
    assert main(["prices", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {r["key"] for r in rows} == set(all_prices()) and all("age_days" in r for r in rows)


def test_fetched_tables_of_hosted_models_go_before_those_of_the_package(served: Served) -> None:
    pytest.importorskip("genai_prices")
    shipped = known_price("https://api.openai.com/v1", "gpt-4o-mini")
    model = {
        "id": "gpt-4o-mini",
        "match": {"equals": "gpt-4o-mini"},
        "prices": {"input_mtok": 7.0, "output_mtok": 9.0},
    }
    service = {"id": "openai", "name": "OpenAI", "api_pattern": "https://api\\.openai\\.com", "models": [model]}
    served.content = json.dumps([service]).encode()
    assert fetch_tables(url(served)) == 1
    found = known_price("https://api.openai.com/v1", "gpt-4o-mini")
    assert found and (found[0].prompt, found[0].completion) == (7.0, 9.0) and "fetched 20" in found[1]
    served.content = b'[{"id": 3}]'
    with pytest.raises(UsageError, match="No tables"):
        fetch_tables(url(served))
    assert known_price("https://api.openai.com/v1", "gpt-4o-mini") == found, "a failed refresh changes nothing"
    tables_at().unlink()
    assert known_price("https://api.openai.com/v1", "gpt-4o-mini") == shipped != found


@pytest.mark.parametrize("answers", [[0.2], "0.2, 0.3", [0.2, -1.0], [0.2, "a"]])
def test_prices_of_answers_are_two_numbers(answers):
    raw = {"usd": 1.0, "unit": "million training tokens", "what": "x", "date": "", "source": "y", "answers": answers}
    with pytest.raises(ValueError, match="hosted"):
        _parsed({"hosted": raw})
