"""What is not Python travels inside the wheel, under ``etl/_data``, where ``etl/resources.py`` finds it.

A hook and not the plain ``force-include`` setting: that one also copies into editable installs, whose copies go stale.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDERS = ("sql", "expectations", "dags", "deploy")


class WheelData(BuildHookInterface):  # type: ignore[type-arg]
    """Add the folders to a standard wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before each build; ``version`` is "standard" or "editable"."""
        if version == "standard":
            found = [name for name in FOLDERS if Path(self.root, name).is_dir()]
            build_data["force_include"].update({f"{self.root}/{name}": f"etl/_data/{name}" for name in found})
