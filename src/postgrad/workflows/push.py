"""The story of `postgrad push`: an export, with its card, to a repository of the hub or any other place.

Only when asked."""

from __future__ import annotations

import tempfile
from pathlib import Path

from postgrad.blobs import Blobs
from postgrad.errors import StorageError, UsageError
from postgrad.progress import Said, Stage, Working
from postgrad.registry import Catalogue
from postgrad.registry.exports import Exports
from postgrad.registry.names import Names
from postgrad.steps.delivery.card import model_card
from postgrad.steps.delivery.exporting import ExportReport, export_model


def push(
    reference: str,
    place: str,
    to: str = "peft",
    precision: str | None = None,
    *,
    public: bool = False,
    data_licence: str = "",
) -> Working[str]:
    """Exports a model, holds it to the gate, and sends it; gives the address.

    Args:
        reference: The model.
        place: `organisation/name` on the hub, or an fsspec URL (`s3://…`, `gs://…`, `file:///…`).
        to: The format.
        precision: As the format takes it.
        public: Whether a new repository of the hub is seen by everybody.
        data_licence: Of the training data, for the card.

    Raises:
        UsageError: the place is none, or there is no token for the hub.
        StorageError: it cannot be reached.
        GateError: the export does not answer as the trained model; nothing was sent.
    """
    _check(place)
    catalogue, blobs = Catalogue(), Blobs()
    entry = Names(catalogue).entry(reference)
    with tempfile.TemporaryDirectory(prefix="postgrad-") as scratch:
        folder = Path(scratch) / "export"
        card = model_card(catalogue, blobs, entry, data_licence)
        work = export_model(entry, catalogue, to, folder, precision, card=card, shown=place)
        report: ExportReport = yield from work
        yield Stage("push", f"Sending {report.bytes / 1e6:,.0f} MB to {place}")
        address = _send(folder, place, public, entry.id)
        Exports(catalogue).add(
            entry, to, report.precision, address, report.files, {"engines": [p.to_dict() for p in report.parity]}
        )
    yield Said(f"{entry.id} is at {address}.")
    return address


def _is_url(place: str) -> bool:
    return "://" in place


def _check(place: str) -> None:
    """Refuses early, before anything is computed."""
    if _is_url(place):
        import fsspec

        try:
            fsspec.core.url_to_fs(place)
        except (ValueError, ImportError) as error:
            raise UsageError(
                f"{place!r} cannot be written to: {error}.", "Install what it names, or take another place."
            ) from error
        return
    if place.count("/") != 1 or place.startswith((".", "/", "~")):
        raise UsageError(
            f"{place!r} is neither a repository of the hub (organisation/name) nor an address (s3://…, file:///…).",
            "For a folder: postgrad export MODEL --to FORMAT --out FOLDER.",
        )
    from huggingface_hub import get_token

    if not get_token():
        raise UsageError(
            "There is no token for the hub.", "Set HF_TOKEN to one that may write, or log in once: hf auth login."
        )


def _send(folder: Path, place: str, public: bool, model: str) -> str:
    if _is_url(place):
        import fsspec

        fs, root = fsspec.core.url_to_fs(place)
        try:
            fs.makedirs(root, exist_ok=True)
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                target = f"{root}/{path.relative_to(folder).as_posix()}"
                fs.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
                fs.put_file(str(path), target)
        except OSError as error:
            raise StorageError(
                f"{place} could not be written to: {error}.", "Look at the address and your rights."
            ) from error
        return place
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    try:
        api.create_repo(place, private=not public, exist_ok=True)
        api.upload_folder(repo_id=place, folder_path=str(folder), commit_message=f"{model}, by postgrad")
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise StorageError(
            f"The hub could not be reached or refused {place!r} ({reason}).",
            "Look at the connection, the name and the token's rights; nothing else was changed.",
        ) from error
    return f"https://huggingface.co/{place}"
