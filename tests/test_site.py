"""The documents: the site builds without a link that leads nowhere, the server shows it, and the commands that pages
show exist."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest

from postgrad.checks import CHECKS
from postgrad.cli import COMMANDS, file_of
from postgrad.models.open_bases import open_bases
from postgrad.registry import Catalogue
from postgrad.serving import app as serving
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from postgrad.steps.context import USUAL_MINUTES
from tests.conftest import ROOT
from tests.following import words_of
from tests.serving.loopback import running

DOCS = ROOT / "docs"
_BLOCK = re.compile(r"^```(?:sh|bash|console)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [*DOCS.rglob("*.md"), ROOT / "README.md", *ROOT.glob("examples/**/*.md")]


def listed(nav: list) -> list[str]:
    out: list[str] = []
    for entry in nav:
        for value in entry.values():
            out += [value] if isinstance(value, str) else listed(value)
    return out


def test_every_page_is_in_the_navigation_once():
    nav = listed(tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"])
    pages = {p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md")}
    pages |= {f"design/{p.name}" for p in (ROOT / "design").glob("*.md")}
    assert len(nav) == len(set(nav)) and set(nav) == pages


def test_the_recipe_page_is_the_recipe():
    shown = re.search(r"```yaml\n(.*?)```", (DOCS / "recipe.md").read_text("utf-8"), re.DOTALL)
    assert shown is not None and shown[1] == (ROOT / "recipes" / "main.yaml").read_text("utf-8"), "python docs/build.py"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A copy of the documents, built as `make docs` builds them."""
    root = tmp_path_factory.mktemp("site")
    for folder in ("docs", "design", "recipes"):
        shutil.copytree(ROOT / folder, root / folder)
    shutil.copy(ROOT / "zensical.toml", root)
    done = subprocess.run(
        [sys.executable, str(root / "docs" / "build.py")], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return root / "build" / "site"


def test_the_site_asks_nobody_else_and_has_the_gallery(site):
    assert (site / "gallery" / "tickets" / "report.html").exists() and (site / "design").is_dir()
    for page in site.rglob("*.html"):
        found = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?:[^"]*)"', page.read_text("utf-8"))
        assert found == [], page


def test_a_link_that_leads_nowhere_is_a_fault(tmp_path):
    for folder in ("docs", "design"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    with (tmp_path / "docs" / "faq.md").open("a", encoding="utf-8") as page:
        page.write("\n[nowhere](verdict.md#no-such-heading)\n")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "docs" / "build.py")], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode != 0 and "no-such-heading" in done.stdout


def test_the_server_shows_it(site, tiny_folder, monkeypatch):
    monkeypatch.setattr(serving, "guide_folder", lambda: site)
    with running(make_app(Engine(Catalogue(), [str(tiny_folder)], {"tiny": str(tiny_folder)}))) as address:
        root = address.removesuffix("/v1")
        start, home = httpx.get(f"{root}/"), httpx.get(f"{root}/docs/guide/", follow_redirects=True)
        assert "/docs/guide" in start.text and "Three doors" in home.text
        rules = home.headers["content-security-policy"]
        assert "script-src 'self'" in rules and "script-src" not in start.headers["content-security-policy"]
        script = re.search(r'src="\./(assets/[^"]+\.js)"', home.text)
        assert script is not None and httpx.get(f"{root}/docs/guide/{script[1]}").status_code == 200
        assert httpx.get(f"{root}/docs/guide/../../../../etc/passwd").status_code == 404
        assert httpx.get(f"{root}/docs/guide/none.html").status_code == 404


def test_without_a_site_the_server_says_nothing_of_it(tiny_folder, monkeypatch):
    monkeypatch.setattr(serving, "guide_folder", lambda: None)
    with running(make_app(Engine(Catalogue(), [str(tiny_folder)], {"tiny": str(tiny_folder)}))) as address:
        assert "/docs/guide" not in httpx.get(address.removesuffix("v1")).text


def commands() -> list[tuple[str, list[str]]]:
    """Every command line of postgrad that a page shows: (page, its words)."""
    found = []
    for page in PAGES:
        for block in _BLOCK.findall(page.read_text("utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                line = line.strip().removeprefix("$ ")
                if re.match(r"postgrad [a-z]", line):
                    found.append((page.relative_to(ROOT).as_posix(), words_of(line)))
    return found


@pytest.mark.parametrize("page", sorted({page for page, _ in commands()}))
def test_every_command_of_a_page_exists_with_its_options(page):
    known: dict[str, set[str]] = {}
    for words in (w for p, w in commands() if p == page):
        name = words[1]
        if name == "help":
            continue
        assert name in COMMANDS, f"{page}: {' '.join(words)}"
        if name not in known:
            known[name] = options_of(name)
        unknown = {w.partition("=")[0] for w in words[2:] if w.startswith("--")} - known[name]
        assert not unknown, f"{page}: {' '.join(words)}: {sorted(unknown)}"


def options_of(name: str) -> set[str]:
    """What a command's file declares, and what every command takes."""
    spec = importlib.util.find_spec(f"postgrad.cli.{file_of(name)}")
    assert spec is not None and spec.origin is not None
    done = subprocess.run(
        [sys.executable, "-m", "postgrad", name, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "250", "PATH": "", "NO_COLOR": "1", "TERM": "dumb"},
    )
    everywhere = {"--device", "--log-level", "--quiet", "--timestamps"}
    return {*re.findall(r"--[a-z][a-z-]*", done.stdout), *everywhere}


def test_figures_that_stand_twice_agree():
    """What several pages say is what the program does."""
    said = {page: page.read_text("utf-8") for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")]}
    for page, text in said.items():
        for count in re.findall(r"(\d+) checks\b", text):
            assert int(count) == len(CHECKS), page
        for minutes in re.findall(r"(\d+) minutes for every (?:25,000 tokens|500 short)", text):
            assert int(minutes) == USUAL_MINUTES, page
        for bases in re.findall(r"(\d+) open bases", text):
            assert int(bases) == len(open_bases()), page
    assert sum("minutes for every" in text for text in said.values()) >= 3
    listed = set(re.findall(r"\| \[([a-z_]+)\]\(checks/|\), \[([a-z_]+)\]\(checks/", said[DOCS / "data.md"]))
    assert {name for pair in listed for name in pair if name} == set(CHECKS)
