"""Takes the site that `make docs` built into the wheel, where the server shows it at /docs/guide."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Guide(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        site = Path(self.root) / "build" / "site"
        if version == "standard" and site.exists():
            build_data["force_include"][str(site)] = "postgrad/guide"
