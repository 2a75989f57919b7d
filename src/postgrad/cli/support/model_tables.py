"""The registry for people: a table of models, and the story of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from postgrad.blobs import Blobs
    from postgrad.registry.catalogue import Catalogue, ModelEntry
    from postgrad.steps.delivery.lineage import Lineage

COLUMNS = ("Model", "In use as", "Base", "Task", "Score", "Verdict", "Size", "Made")


def table(catalogue: Catalogue, blobs: Blobs, entries: Sequence[ModelEntry]) -> list[str]:
    """One line a version, checkpoints of jobs folded into their model's line."""
    from postgrad.registry.catalogue import CHECKPOINT

    folded: dict[str, int] = {}
    for entry in entries:
        if CHECKPOINT in entry.name:
            name = entry.name.partition(CHECKPOINT)[0]
            folded[name] = folded.get(name, 0) + 1
    names = {entry.name for entry in entries}
    shown = [e for e in entries if CHECKPOINT not in e.name or e.name.partition(CHECKPOINT)[0] not in names]
    aliases = {name: catalogue.aliases(name) for name in {e.name for e in shown}}
    rows: list[tuple[str, ...]] = [COLUMNS]
    for entry in shown:
        more = f" (+{folded[entry.name]} checkpoints)" if folded.get(entry.name) else ""
        used = [a for a, v in aliases[entry.name].items() if v == entry.version]
        size = blobs.size(entry.blob)
        rows.append(
            (
                entry.id + more,
                ", ".join(used) or "-",
                _short(entry.base),
                str(entry.details.get("metric") or entry.details.get("training", {}).get("objective") or "-"),
                _score(entry),
                str(entry.details.get("recommendation") or "not measured"),
                f"{size / 1e6:,.1f} MB" if size else "-",
                f"{entry.created:%Y-%m-%d %H:%M}",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _score(entry: ModelEntry) -> str:
    score, interval = entry.details.get("score"), entry.details.get("interval")
    if score is None:
        return "-"
    inside = f" ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})" if interval else ""
    return f"{100 * score:.1f} %{inside}"


def _short(base: str) -> str:
    return base if len(base) <= 32 else "…" + base[-31:]


def story(lineage: Lineage) -> list[str]:
    """The lineage as lines."""
    entry, data = lineage.entry, lineage.data
    counts = ", ".join(f"{name} {data[name]:,}" for name in ("read", "train", "validation", "test") if name in data)
    out = [
        entry.id,
        f"  Base      {entry.base} ({entry.base_hash[:19]}…)",
        f"  Data      {', '.join(data['files']) or 'no file'} ({entry.data_hash[:19]}…)",
    ]
    if counts or "seed" in data:
        seed = f"seed {data['seed']}" if "seed" in data else ""
        out.append(f"            {'; '.join(filter(None, [counts, seed]))}")
    out += [f"  {name:<9} {data[name]}" for name in ("job", "imported_from") if name in data]
    if lineage.parent:
        out.append(f"  Parent    {lineage.parent}")
    out.append(f"  Trained   {entry.created:%Y-%m-%d %H:%M}, {entry.method}. {lineage.training}".rstrip())
    if (found := lineage.measured) is not None:
        out.append(f"  Measured  {found['metric']}: {_score(entry)}")
        out.append(f"            {found['sentence']}")
    else:
        out.append("  Measured  never")
    for move in lineage.moves:
        state = "is" if move.standing else "was"
        undone = f", taken back {move.undone:%Y-%m-%d %H:%M}" if move.undone else ""
        why = f" ({move.reason})" if move.reason else ""
        out.append(f"  Promoted  {state} {move.alias} from {move.moved:%Y-%m-%d %H:%M}{undone}{why}")
    for export in lineage.exports:
        engines = export.parity.get("engines", [])
        held = "; ".join(e["engine"] for e in engines if e["held"])
        out.append(f"  Exported  {export.made:%Y-%m-%d %H:%M} as {export.format} {export.quantization}: {export.place}")
        out.append(f"            alike in {held}")
    out += [f"  Child     {child}" for child in lineage.children]
    return out
