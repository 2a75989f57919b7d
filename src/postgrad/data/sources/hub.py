"""A data set of the Hugging Face hub → its files on this machine:
`hf://datasets/owner/name[@revision][/path, folder or split]`.

Which files of a repository are meant is decided by `choose_files`, which needs no network.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from postgrad.data.formats.registry import hub_endings
from postgrad.errors import DataError

_PACKED = re.compile(r"\.(?:gz|zst|bz2|xz)$")
_SPLITS = ("train", "validation", "valid", "val", "dev", "test")
_SIDE = re.compile(r"(?:^|/)(?:dataset_infos?|config|state|\w*metadata|README|index)\b[^/]*\.json$", re.IGNORECASE)
_ADDRESS = re.compile(r"^hf://(?:datasets/)?([\w.-]+(?:/[\w.-]+)?)(?:@([^/]+))?(?:/(.*))?$")
_LISTED = 10
_TIMEOUT = 20
"""Seconds to wait for the hub's list of files."""


@dataclass(frozen=True, slots=True)
class HubAddress:
    """A data set on the hub, a revision of it (empty for the newest), and what is wanted of it (empty for the
    usual)."""

    repository: str
    revision: str = ""
    wanted: str = ""

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"hf://datasets/{self.repository}{revision}"


def parse_address(text: str) -> HubAddress:
    """Takes an address apart; a revision with a slash in it is written with %2F.

    Raises:
        DataError: Not such an address.
    """
    found = _ADDRESS.match(text.rstrip("/"))
    if found is None or not text.startswith("hf://datasets/") or "/" not in found[1]:
        raise DataError(
            f"{text!r} names no data set of the hub.",
            "Write it as hf://datasets/owner/name, with @revision, /split or /path/to/file.parquet if needed.",
        )
    return HubAddress(found[1], (found[2] or "").replace("%2F", "/"), found[3] or "")


def choose_files(names: Sequence[str], address: HubAddress) -> tuple[list[str], list[str]]:
    """(the files to read, notes) out of all files of a repository.

    Raises:
        DataError: No data files, or none that is wanted, or several configurations of which none was named.
    """
    wanted = address.wanted
    if wanted in names:
        return [wanted], []
    data = sorted(n for n in names if _ending(n) in hub_endings() and not _SIDE.search(n) and not n.startswith("."))
    if not data:
        endings = sorted({PurePosixPath(n).suffix for n in names})[:_LISTED]
        raise DataError(
            f"{address} holds no files of examples ({len(names)} files: {', '.join(filter(None, endings)) or 'none'}).",
            "Name a data set with Parquet, JSONL, JSON or CSV files.",
        )
    notes: list[str] = []
    found = _below(data, wanted) if wanted else data
    if wanted and not found:
        raise DataError(
            f"{address} has no file, folder or split {wanted!r}; it has {_listed(data)}.", "Name one of these."
        )
    best = min((_ending(n) for n in found), key=hub_endings().index)
    if others := [n for n in found if _ending(n) != best]:
        notes.append(f"read the {best[1:]} files; the same data or more in other files was left out: {_listed(others)}")
        found = [n for n in found if _ending(n) == best]
    splits = defaultdict(list)
    for name in found:
        splits[_split(name)].append(name)
    if len(splits) > 1 and "train" in splits:
        notes.append(
            f"read the split 'train'; others: {', '.join(sorted(k or 'unnamed' for k in splits if k != 'train'))}"
        )
        found = splits["train"]
    folders = sorted({_configuration(n) for n in found})
    if len(folders) > 1:
        raise DataError(
            f"{address} has several configurations: {_listed(folders)}.",
            f"Name one: {address}/{folders[0] or found[0]}",
        )
    return found, notes


def download(address: HubAddress) -> tuple[list[tuple[str, Path]], list[str]]:
    """((address of the file, its place on this machine) of each chosen file, notes). `HF_TOKEN` is used where it is
    set.

    Raises:
        DataError: The hub cannot be reached or refuses, or nothing there can be read.
    """
    import httpx2  # what the hub's client itself speaks through
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    revision = address.revision or None
    try:
        info = HfApi().dataset_info(address.repository, revision=revision, timeout=_TIMEOUT)
        names = [sibling.rfilename for sibling in info.siblings or []]
        chosen, notes = choose_files(names, address)
        files = [
            (f"{address}/{n}", Path(hf_hub_download(address.repository, n, repo_type="dataset", revision=revision)))
            for n in chosen
        ]
    except GatedRepoError as error:
        raise DataError(
            f"{address} is gated: its owners require approval.",
            "Accept its terms on the hub, and set HF_TOKEN to your token.",
        ) from error
    except RevisionNotFoundError as error:
        raise DataError(
            f"{address}: there is no revision {address.revision!r}.", "Check the name after the @."
        ) from error
    except RepositoryNotFoundError as error:
        raise DataError(
            f"{address}: the hub has no such data set, or it is private.",
            "Check the name, or set HF_TOKEN to your token.",
        ) from error
    except (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        httpx2.HTTPError,
        OSError,
    ) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200].rstrip(".")
        raise DataError(
            f"{address} could not be fetched from the hub ({type(error).__name__}: {reason}).",
            "Check the connection (and that HF_HUB_OFFLINE is not set), or give the files themselves.",
        ) from error
    return files, notes


def _ending(name: str) -> str:
    return PurePosixPath(_PACKED.sub("", name.lower())).suffix


def _below(names: Sequence[str], wanted: str) -> list[str]:
    """Files under a folder of that name, else files of that split (also `config/split`)."""
    prefix = wanted.rstrip("/") + "/"
    if under := [n for n in names if n.startswith(prefix)]:
        return under
    folder, _, split = wanted.rpartition("/")
    inside = [n for n in names if n.startswith(f"{folder}/")] if folder else list(names)
    return [n for n in inside if _is_split(n, split)]


def _is_split(name: str, split: str) -> bool:
    return re.search(rf"(?:^|[/_.-]){re.escape(split)}(?:[/_.-]|$)", name) is not None


def _split(name: str) -> str:
    """The split that a file's name says; empty where it says none."""
    return next((split for split in _SPLITS if _is_split(name, split)), "")


def _configuration(name: str) -> str:
    """The folder of a file, but for one that is only the split's."""
    parts = PurePosixPath(name).parts[:-1]
    return "/".join(part for part in parts if part not in _SPLITS)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
