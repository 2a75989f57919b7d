"""Data sets of the hub: addresses, and which files of a repository are meant. The network is not needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from postgrad.data import read_rows
from postgrad.data.sources.address import place_of
from postgrad.data.sources.hub import HubAddress, choose_files, parse_address
from postgrad.errors import DataError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://datasets/owner/name", HubAddress("owner/name")),
        ("hf://datasets/owner/name/", HubAddress("owner/name")),
        ("hf://datasets/owner/my.name-1@main/test", HubAddress("owner/my.name-1", "main", "test")),
        ("hf://datasets/owner/name@refs%2Fpr%2F1/a/b.parquet", HubAddress("owner/name", "refs/pr/1", "a/b.parquet")),
    ],
)
def test_addresses(text, expected):
    assert parse_address(text) == expected
    assert parse_address(place_of(Path(text)).name) == expected


@pytest.mark.parametrize("text", ["hf://owner/name", "hf://datasets/name", "hf://datasets/", "hf://models/a/b"])
def test_what_is_no_address(text):
    with pytest.raises(DataError, match="names no data set"):
        parse_address(text)


def chosen(names, wanted=""):
    return choose_files(names, HubAddress("o/n", "", wanted))


def test_the_training_split_is_taken_and_the_others_are_named():
    names = [
        "README.md",
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
        "data/test-0.parquet",
    ]
    files, notes = chosen(names)
    assert files == names[1:3] and "others: test" in notes[0]
    assert chosen(names, "test")[0] == [names[3]]
    assert chosen(names, "data")[0] == names[1:3]
    assert chosen(names, names[3]) == ([names[3]], [])


def test_parquet_before_others_and_side_files_never():
    names = ["train.jsonl", "train.parquet", "dataset_infos.json", "config.json", ".gitattributes", "x.py"]
    files, notes = chosen(names)
    assert files == ["train.parquet"] and "train.jsonl" in notes[0]
    assert chosen(["a.csv.gz", "LICENSE"])[0] == ["a.csv.gz"]


def test_configurations_must_be_named():
    names = ["de/train.parquet", "en/train.parquet", "en/test.parquet"]
    with pytest.raises(DataError, match="several configurations: de, en"):
        chosen(names)
    assert chosen(names, "en")[0] == ["en/train.parquet"]
    assert chosen(names, "en/test")[0] == ["en/test.parquet"]


def test_nothing_to_read_and_nothing_of_that_name():
    with pytest.raises(DataError, match="no files of examples"):
        chosen(["README.md", "model.safetensors"])
    with pytest.raises(DataError, match="no file, folder or split 'dev'"):
        chosen(["train.csv"], "dev")


def test_one_clear_error_without_a_connection(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="could not be fetched from the hub") as caught:
        read_rows("hf://datasets/owner/name")
    assert "connection" in caught.value.mend
