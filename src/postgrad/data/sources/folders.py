"""A folder of data → the files in it that are of one kind. What is taken and what is not is said."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePath

from postgrad.data.formats.registry import HEAD, format_named, kinds
from postgrad.data.sources.bytestream import PACKED_ENDINGS
from postgrad.errors import DataError

CHOSEN = "of the folder was taken:"
"""How the note on what was taken begins."""
_NAMED = 5
_PICTURES = frozenset([".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp"])
_ABOUT = frozenset(["dataset_info.json", "dataset_dict.json", "dataset_infos.json", "state.json"])
"""Files that `save_to_disk` of the library datasets, and the hub, write about data: no data themselves."""


def files_in(folder: Path) -> tuple[list[Path], list[str]]:
    """(the files of the commonest kind, ordered by name; what was not taken, in sentences).

    Raises:
        DataError: No file of a kind that is known, or no permission.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    others: list[Path] = []
    for path in _visible(folder):
        kind = _kind(path)
        if kind is None:
            others.append(path)
        else:
            found[kind].append(path)
    if not found:
        endings = sorted({p.suffix or p.name for p in others})[:_NAMED]
        what = f"only {', '.join(endings)} files" if endings else "nothing"
        raise DataError(
            f"{str(folder)!r} is a folder without files of examples ({what}).",
            f"Name a file, or a folder of one kind of files ({', '.join(kinds())}); a folder of documents belongs to"
            " --docs, or to --objective pretrain.",
        )
    kind = max(found, key=lambda k: len(found[k]))
    left = [p for k, paths in found.items() if k != kind for p in paths] + others
    notes = []
    if left:
        named = ", ".join(p.relative_to(folder).as_posix() for p in sorted(left)[:_NAMED])
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        count = len(found[kind])
        notes.append(f"{CHOSEN} {count} {kind} {'file' if count == 1 else 'files'} ({folder}); left out: {named}{more}")
    return found[kind], notes


def pictures_in(folder: Path) -> int:
    """How many pictures a folder holds."""
    return sum(path.suffix.lower() in _PICTURES for path in _visible(folder))


def _kind(path: Path) -> str | None:
    """By its ending; a .txt or .log file counts where its content is a chat log."""
    form = format_named(_suffix(path))
    if form is None or not form.needs_both or form.begins is None:
        return form and form.kind
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return None
    return form.kind if form.begins(head) else None


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(
            p
            for p in folder.rglob("*")
            if p.is_file()
            and p.name not in _ABOUT
            and not any(part.startswith((".", "__")) for part in p.relative_to(folder).parts)
        )
    except PermissionError as error:
        raise DataError(f"No permission to read {str(folder)!r}.", f"Allow it: chmod u+rx {folder}") from error


def _suffix(path: Path) -> str:
    name = PurePath(path.name.lower())
    return PurePath(name.stem).suffix if name.suffix in PACKED_ENDINGS else name.suffix
