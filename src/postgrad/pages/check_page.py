"""The page of `postgrad check`, made from a `CheckReport` and from nothing else."""

from __future__ import annotations

from pathlib import Path

from postgrad.json_types import well_formed
from postgrad.pages import pictures
from postgrad.pages.report_page import PUBLIC, environment
from postgrad.report.run_report import CheckReport
from postgrad.storage import write_atomic


def write_check(report: CheckReport, folder: Path) -> tuple[Path, Path]:
    """Writes `check.json` and `check.html` into `folder`, each whole or not at all; returns their paths, JSON first."""
    page = render_check(report)
    return (
        write_atomic(folder / "check.json", report.model_dump_json(indent=2) + "\n", PUBLIC),
        write_atomic(folder / "check.html", page, PUBLIC),
    )


def render_check(report: CheckReport) -> str:
    """The page; the same report gives the same text."""
    counts = {s: sum(f.severity == s for f in report.findings) for s in ("error", "warning", "info")}
    tone = "unsure" if counts["error"] else "other" if counts["warning"] else "train"
    badge = "Must be fixed" if counts["error"] else "Worth a look" if counts["warning"] else "Ready for training"
    gone = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in report.taken_out.items())
    tiles = [
        ("records read", f"{report.read:,}", ""),
        ("kept", f"{report.kept:,}", f"removed: {gone}" if gone else ""),
        ("must fix", str(counts["error"]), "stop a run"),
        ("worth a look", str(counts["warning"]), ""),
        ("notes", str(counts["info"]), ""),
    ]
    page = (
        environment()
        .get_template("check.html.j2")
        .render(
            report=report,
            worst=next((f.sentence for f in report.findings if f.severity in ("error", "warning")), ""),
            all_in="check.csv",
            names=", ".join(Path(f).name for f in report.files[:3])
            + (f" and {len(report.files) - 3} more" if len(report.files) > 3 else ""),
            tone=tone,
            badge=badge,
            tiles=tiles,
            lengths=pictures.lengths_picture(report.token_histogram),
        )
    )
    return well_formed(page)
