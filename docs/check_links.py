"""Checks that every relative link of the documentation leads to a file. `make docs` runs it."""

import re
import sys
from pathlib import Path

root = Path(__file__).parent.parent
bad = []
for page in [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("design/*.md"), *root.glob("examples/*.md")]:
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
        if "://" not in link and not (page.parent / link).exists():
            bad.append(f"{page.relative_to(root)}: {link}")
print("\n".join(bad) or "all links lead somewhere")
sys.exit(bool(bad))
