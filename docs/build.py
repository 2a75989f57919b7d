"""Builds the site from docs/ into build/site, by Zensical. `make docs` runs it.

What lies beside docs/ and is linked from it comes along (the design notes); links to anything else of the repository
become plain words, so that no link of the site leads nowhere.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
STAGE, SITE = ROOT / "build" / "docs", ROOT / "build" / "site"
_LINK = re.compile(r"\[([^\]\[]*(?:\[[^\]]*\][^\]\[]*)?)\]\(([^)\s]+)\)")


def stage() -> None:
    """Copies the pages, with links that hold in the site."""
    shutil.rmtree(STAGE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", STAGE, ignore=shutil.ignore_patterns("*.py", "__pycache__", "results.jsonl"))
    shutil.copytree(ROOT / "design", STAGE / "design")
    for page in STAGE.rglob("*.md"):
        origin = ROOT / "design" if "design" in page.relative_to(STAGE).parts else ROOT / "docs"
        inside = page.relative_to(STAGE / "design" if origin.name == "design" else STAGE)
        text = page.read_text("utf-8")
        page.write_text(_LINK.sub(lambda m, at=origin / inside, to=page: _held(m, at, to), text), "utf-8")


def _held(link: re.Match[str], origin: Path, page: Path) -> str:
    """A link as it must stand in the site; its words alone where it leads out of it."""
    target, _, anchor = link[2].partition("#")
    if "://" in target or not target:
        return link[0]
    meant = (origin.parent / target).resolve()
    for source, place in ((ROOT / "docs", STAGE), (ROOT / "design", STAGE / "design")):
        if meant.is_relative_to(source) and (place / meant.relative_to(source)).exists():
            found = place / meant.relative_to(source)
            away = Path(*[".."] * len(page.parent.relative_to(STAGE).parts)) / found.relative_to(STAGE)
            return f"[{link[1]}]({away.as_posix()}{f'#{anchor}' if anchor else ''})"
    return link[1]


def build() -> int:
    """Builds; a warning (a link that leads nowhere) is a fault."""
    stage()
    shutil.rmtree(SITE, ignore_errors=True)
    command = [str(Path(sys.executable).parent / "zensical"), "build", "--clean", "--strict"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={"NO_COLOR": "1"})
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    if done.returncode:
        print(said)
    else:
        print(f"{SITE.relative_to(ROOT)}/index.html")
    return done.returncode


if __name__ == "__main__":
    sys.exit(build())
