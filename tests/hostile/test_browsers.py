"""A page of somebody else in a real browser, beside a server without keys on the same machine; and requests that no
browser sends, byte by byte."""

from __future__ import annotations

import contextlib
import http.server
import re
import shutil
import socket
import subprocess
import threading

import httpx
import openai
import pytest

from postgrad.registry import Catalogue
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from tests.needs import service_missing
from tests.serving.loopback import deployed
from tests.serving.running import examples

BROWSER = next((b for b in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if b), None)
PAGE = """<!doctype html><title>free lamps</title><body><p id=out></p>
<iframe name=hidden></iframe>
<form id=form target=hidden method=post enctype=multipart/form-data action="{server}/v1/files">
<input name=purpose value=user_data><input name=file type=file id=file></form>
<img src="{server}/v1/models"><script>
const out = document.getElementById('out');
const file = new File({lines}, 'a.jsonl');
async function tried(name, call) {{
  let said; try {{ const r = await call(); said = r.type + ' ' + r.status; }} catch (e) {{ said = 'refused'; }}
  out.innerText += ' ' + name + '=' + said.replace(' ', '-') + ';';
}}
(async () => {{
  const body = new FormData(); body.append('purpose', 'fine-tune'); body.append('file', file);
  await tried('upload', () => fetch('{server}/v1/files', {{method: 'POST', mode: 'no-cors', body}}));
  await tried('plain', () => fetch('{server}/v1/chat/completions', {{method: 'POST', mode: 'no-cors',
    headers: {{'content-type': 'text/plain'}}, body: '{{"model": "tiny", "messages": []}}'}}));
  await tried('json', () => fetch('{server}/v1/fine_tuning/jobs', {{method: 'POST',
    headers: {{'content-type': 'application/json'}}, body: '{{"model": "tiny", "training_file": "x"}}'}}));
  await tried('read', () => fetch('{server}/v1/models'));
  const give = new DataTransfer(); give.items.add(file);
  document.getElementById('file').files = give.files; document.getElementById('form').submit();
  await new Promise(done => setTimeout(done, 1500));
  out.innerText += ' over';
}})();
</script></body>"""


@pytest.fixture
def server(tiny_folder):
    """The port of the server as it is deployed, without a key, on loopback."""
    app = make_app(Engine(Catalogue(), [str(tiny_folder)], {"tiny": str(tiny_folder)}))
    with deployed(app) as port:
        yield port


@contextlib.contextmanager
def page(text):
    """A web server of somebody else with one page; gives its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving.server_address[1]
        serving.shutdown()


def browsed(address, tmp_path):
    """What a browser shows that takes every name ending in .test for this machine."""
    if BROWSER is None:
        service_missing("no browser", "chromium")
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--host-resolver-rules=MAP *.test 127.0.0.1", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
        "--virtual-time-budget=20000", address,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.parametrize(("origin", "stored"), [("127.0.0.1", True), ("localhost", False), ("evil.test", False)])
def test_a_page_of_others_stores_and_reads_nothing(server, tmp_path, origin, stored):
    """The page at the server's own address (another port) shows that what it tries would work."""
    lines = f"[{examples().decode()!r}]"
    with page(PAGE.format(server=f"http://127.0.0.1:{server}", lines=lines)) as port:
        shown = browsed(f"http://{origin}:{port}/", tmp_path)
    assert " over" in shown, shown[-2000:]
    results = dict(re.findall(r"(\w+)=([\w-]+);", shown))
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{server}/v1", api_key="x", max_retries=0)
    files = client.files.list().data
    assert bool(files) == stored, (results, files)
    assert results["read"] == "refused" and results["json"] == "refused", "no page reads, wherever it is from"
    assert client.fine_tuning.jobs.list().data == []


def test_a_name_that_was_bound_anew_reaches_nothing(server, tmp_path):
    """As after DNS rebinding: the browser believes that it talks to the page's own server."""
    shown = browsed(f"http://evil.test:{server}/v1/models", tmp_path)
    assert "not_local" in shown and "tiny" not in shown
    assert "tiny" in browsed(f"http://localhost:{server}/v1/models", tmp_path)


INSIDE = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
REQUESTS = {
    "both lengths": HEAD + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + INSIDE,
    "two lengths": HEAD + b"content-length: 2\r\ncontent-length: 60\r\n\r\n{}" + INSIDE,
    "a list of lengths": HEAD + b"content-length: 2, 60\r\n\r\n{}" + INSIDE,
    "a negative length": HEAD + b"content-length: -5\r\n\r\n{}" + INSIDE,
    "a length with a plus": HEAD + b"content-length: +2\r\n\r\n{}" + INSIDE,
    "a blank before the colon": HEAD + b"transfer-encoding : chunked\r\ncontent-length: 2\r\n\r\n{}" + INSIDE,
    "an odd encoding": HEAD + b"transfer-encoding: xchunked\r\ncontent-length: 2\r\n\r\n{}" + INSIDE,
    "a chunk without end": HEAD + b"transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n{}" + INSIDE,
    "a chunk that is none": HEAD + b"transfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n" + INSIDE,
    "a bare carriage return": HEAD + b"x: a\rcontent-length: 60\r\ncontent-length: 2\r\n\r\n{}" + INSIDE,
    "a zero byte": HEAD + b"x: a\x00b\r\ncontent-length: 2\r\n\r\n{}" + INSIDE,
    "two hosts": b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nhost: evil.test\r\n\r\n",
    "two hosts, the other first": b"GET /v1/models HTTP/1.1\r\nhost: evil.test\r\nhost: localhost\r\n\r\n",
    "another place in the request line": b"GET http://evil.test/v1/models HTTP/1.1\r\nhost: evil.test\r\n\r\n",
    "no host": b"GET /v1/models HTTP/1.1\r\n\r\n",
    "an endless address": b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "endless headers": b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 60_000 + b"\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
}


def said(port, raw):
    """What the server sends until it closes the connection or is silent."""
    out = b""
    with socket.create_connection(("127.0.0.1", port)) as connection, contextlib.suppress(TimeoutError, OSError):
        connection.settimeout(2)
        connection.sendall(raw)
        while part := connection.recv(65536):
            out += part
    return out


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_what_can_be_read_in_two_ways_is_not_read(server, name):
    answer = said(server, REQUESTS[name])
    statuses = re.findall(rb"HTTP/1\.1 (\d{3})", answer)
    assert b'"id":"tiny"' not in answer.replace(b" ", b""), "the request inside was answered"
    assert all(s.startswith(b"4") for s in statuses), (name, statuses, answer[:500])
    assert httpx.get(f"http://127.0.0.1:{server}/v1/models").status_code == 200


def test_a_proper_request_is_read(server):
    assert b'"tiny"' in said(server, INSIDE), "what the others must not see is there to be seen"
