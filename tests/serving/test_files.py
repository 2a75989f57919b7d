"""Files and uploads through the unmodified SDK: content to the byte, limits, pages, expiry, and nothing of a client's
in a path."""

import asyncio
import hashlib
import io
import itertools
import os

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types import FileObject
from python_multipart.multipart import MultipartParser

from postgrad.registry import Catalogue
from postgrad.registry.job_tables import FileRow, UploadRow
from postgrad.serving.api import files, uploads
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from postgrad.serving.storage import file_contents
from postgrad.serving.storage.multipart import _feed, _Reader
from postgrad.serving.storage.store import Store
from tests.serving.running import examples, in_thread, until


@pytest.fixture
def address(own_home):
    with in_thread(make_app(Engine(Catalogue()))) as url:
        yield url


@pytest.fixture
def client(address):
    return openai.OpenAI(base_url=address, api_key="x", max_retries=0)


def upload(client, data=b'{"a": 1}', purpose="fine-tune", **more):
    return client.files.create(file=io.BytesIO(data), purpose=purpose, **more)


def test_a_file_comes_back_as_it_was_sent(client, own_home):
    data = examples(40)
    file = client.files.create(file=("../../etc/pass wd.jsonl", data), purpose="fine-tune")
    assert (file.bytes, file.filename, file.status, file.purpose) == (
        len(data),
        "../../etc/pass wd.jsonl",
        "processed",
        "fine-tune",
    )
    assert client.files.content(file.id).read() == data
    assert client.files.wait_for_processing(file.id) == client.files.retrieve(file.id) == file
    FileObject.model_validate(file.model_dump(), strict=True)
    assert [p.name for p in (own_home / "files").iterdir()] == [file.id]
    gone = client.files.delete(file.id)
    assert gone.deleted and gone.id == file.id and not list((own_home / "files").iterdir())
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        client.files.retrieve(file.id)


def test_what_a_file_is_for_is_bytes_where_it_is_not_training(client):
    data = os.urandom(100_000)
    assert client.files.content(upload(client, data, "user_data").id).read() == data


@pytest.mark.parametrize("bad", ["[1]", "nonsense", '{"a": 1}\n\n"text"', '{"a": 1', "\xff"])
def test_a_training_file_must_be_json_lines_of_objects(client, bad, own_home):
    with pytest.raises(openai.BadRequestError) as caught:
        upload(client, bad.encode("latin-1"))
    assert "Expected file to have JSONL format, where every line is a JSON dictionary. Line" in caught.value.message
    assert caught.value.type == "invalid_request_error" and caught.value.request_id.startswith("req_")
    assert not list((own_home / "files").iterdir())


def test_faults_of_the_form(client, address):
    with pytest.raises(openai.BadRequestError, match="Supported values"):
        upload(client, purpose="assistants_output")
    for seconds in (3599, 2_592_001):
        with pytest.raises(openai.BadRequestError, match=r"expires_after\.seconds"):
            upload(client, expires_after={"anchor": "created_at", "seconds": seconds})
    with pytest.raises(openai.BadRequestError, match="Unknown parameter: 'colour'"):
        upload(client, extra_body={"colour": "red"})
    for form in ({"data": {"purpose": "fine-tune"}}, {"files": {"file": b"{}"}}, {"json": {"purpose": "fine-tune"}}):
        assert httpx.post(address + "/files", **form).status_code == 400
    torn = httpx.post(
        address + "/files",
        content=b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n{}',
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert torn.status_code == 400 and "ends in the middle" in torn.json()["error"]["message"]


def test_a_file_above_the_limit_is_refused_while_it_comes_in(client, monkeypatch, own_home):
    monkeypatch.setenv("POSTGRAD_MAX_FILE_BYTES", "1000000")
    assert upload(client, b"x" * 1_000_000, "user_data").bytes == 1_000_000
    with pytest.raises(openai.APIStatusError) as caught:
        upload(client, b"x" * 1_000_001, "user_data")
    assert caught.value.status_code == 413 and caught.value.code == "file_too_large"
    try:
        upload(client, b"x" * 60_000_000, "user_data")
    except openai.APIStatusError as refused:
        assert refused.status_code == 413
    except openai.APIConnectionError:
        pass  # hung up on: it sent sixty times the limit
    assert len(list((own_home / "files").iterdir())) == 1


def test_lists_are_paged_to_the_end_in_both_orders(client):
    ids = [upload(client, purpose="batch" if i % 3 == 0 else "fine-tune").id for i in range(11)]
    assert [f.id for f in client.files.list(limit=4)] == ids[::-1]
    assert [f.id for f in client.files.list(limit=4, order="asc")] == ids
    assert [f.id for f in client.files.list(limit=1, order="asc", purpose="batch")] == ids[::3]
    first = client.files.list(limit=4)
    assert first.has_more and (first.model_extra["first_id"], first.model_extra["last_id"]) == (ids[10], ids[7])
    with pytest.raises(openai.BadRequestError):
        client.files.list(limit=0)
    with pytest.raises(openai.BadRequestError, match="to continue after"):
        client.files.list(after="file-nobody")


def test_a_file_expires(client, own_home):
    file = upload(client, expires_after={"anchor": "created_at", "seconds": 3600})
    assert file.expires_at == file.created_at + 3600
    store = Store(Catalogue())
    with store.writing() as session:
        session.query(FileRow).update({"expires_at": 1})
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
    with store.writing() as session:
        assert files.remove_expired(session) == [file.id]


def test_an_upload_in_parts(client):
    data = examples(300)
    file = client.uploads.upload_file_chunked(
        file=data,
        filename="x.jsonl",
        bytes=len(data),
        mime_type="text/jsonl",
        purpose="fine-tune",
        part_size=10_000,
        md5=hashlib.md5(data).hexdigest(),
    )
    assert file.status == "completed" and client.files.content(file.file.id).read() == data
    with pytest.raises(openai.BadRequestError, match="is completed"):
        client.uploads.cancel(file.id)


def test_parts_in_the_order_of_the_completion_and_what_does_not_fit(client, own_home):
    def begin(size):
        return client.uploads.create(purpose="user_data", filename="x", bytes=size, mime_type="text/plain").id

    upload_id = begin(6)
    one, two = (client.uploads.parts.create(upload_id, data=d).id for d in (b"def", b"abc"))
    for wrong in (
        {"part_ids": [one]},
        {"part_ids": [one, one]},
        {"part_ids": [one, "part_x"]},
        {"part_ids": [two, one], "md5": "0" * 32},
    ):
        with pytest.raises(openai.BadRequestError):
            client.uploads.complete(upload_id, **wrong)
    done = client.uploads.complete(upload_id, part_ids=[two, one])
    assert client.files.content(done.file.id).read() == b"abcdef"
    assert [p.name for p in (own_home / "files").iterdir()] == [done.file.id]
    other = begin(3)
    client.uploads.parts.create(other, data=b"abc")
    assert client.uploads.cancel(other).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="is cancelled"):
        client.uploads.parts.create(other, data=b"abc")
    with pytest.raises(openai.NotFoundError):
        client.uploads.cancel("upload_nobody")
    with pytest.raises(openai.BadRequestError):
        begin((8 << 30) + 1)
    assert len(list((own_home / "files").iterdir())) == 1


def test_an_upload_expires_after_an_hour(client):
    upload_id = client.uploads.create(purpose="user_data", filename="x", bytes=3, mime_type="text/plain").id
    part = client.uploads.parts.create(upload_id, data=b"abc")
    store = Store(Catalogue())
    with store.writing() as session:
        session.query(UploadRow).update({"expires_at": 1})
        assert uploads.expire(session) == [part.id]
    with pytest.raises(openai.BadRequestError, match="is expired"):
        client.uploads.complete(upload_id, part_ids=[part.id])


def test_a_client_that_hangs_up_leaves_nothing(address, own_home):
    def half():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + b"x" * 200_000
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        httpx.post(address + "/files", content=half(), headers={"content-type": "multipart/form-data; boundary=x"})
    folder = own_home / "files"
    until(lambda: folder.exists() and not list(folder.iterdir()), 20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 500), max_size=8))
def test_however_a_form_is_cut_into_pieces_the_file_is_the_same(data, cuts, tmp_path):
    body = (
        b'--B\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--B\r\nContent-Disposition: form-data;'
        b' name="file"; filename="n"\r\nContent-Type: x/y\r\n\r\n' + data + b"\r\n--B--\r\n"
    )
    if b"--B" in data:
        return

    async def pieces():
        edges = [0, *sorted(c for c in cuts if c < len(body)), len(body)]
        for start, end in itertools.pairwise(edges):
            yield body[start:end]

    out = io.BytesIO()
    reader = _Reader("file", out, 10_000)
    asyncio.run(_feed(MultipartParser(b"B", reader.callbacks()), reader, pieces(), 10_000))
    assert out.getvalue() == data and reader.form.fields == {"purpose": "batch"} and reader.form.filename == "n"


@pytest.mark.parametrize("odd", ["../x", "/etc/passwd", "a/b", "", "a.b", "x\0"])
def test_only_ids_become_paths(odd):
    with pytest.raises(ValueError, match="no id"):
        file_contents.content_path(odd)
