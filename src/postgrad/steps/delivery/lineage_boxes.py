"""What stands in the picture of a lineage."""

from __future__ import annotations

from pathlib import Path

from postgrad.pages.lineage_picture import lineage_svg
from postgrad.steps.delivery.lineage import Lineage


def picture_of(lineage: Lineage) -> str:
    """The lineage as an `<svg>` document."""
    entry, data = lineage.entry, lineage.data
    names = ", ".join(Path(f).name for f in data["files"]) or str(data.get("job") or "its files were not kept")
    counts = ", ".join(f"{data[name]:,} {name}" for name in ("train", "test") if name in data)
    left = [
        ("data", "Data", f"{names} · {counts or entry.data_hash[:19]}"),
        ("base", "Base", entry.base),
    ]
    if lineage.parent:
        left.append(("parent", "Parent", lineage.parent))
    middle = [("model", entry.id, f"{entry.method} · {entry.created:%Y-%m-%d %H:%M}")]
    right: list[tuple[str, str, str]] = []
    if (found := lineage.measured) is not None and found["score"] is not None:
        score = f"{found['metric']} {100 * found['score']:.1f} % · {found['recommendation']}"
        right.append(("report", "Report", score))
    for number, move in enumerate(lineage.moves):
        state = "taken back" if move.undone else "stands" if move.standing else "replaced"
        right.append((f"move{number}", move.alias, f"{move.moved:%Y-%m-%d %H:%M} · {state}"))
    for number, export in enumerate(lineage.exports):
        name = Path(export.place).name
        right.append((f"export{number}", f"Export {export.format}", f"{export.quantization} · {name}"))
    right += [(f"child{n}", "Child", child) for n, child in enumerate(lineage.children)]
    arrows = [(key, "model") for key, _, _ in left] + [("model", key) for key, _, _ in right]
    return lineage_svg([left, middle, right] if right else [left, middle], arrows, "model")
