"""What all tests share: one place for what planning remembers, which is not the user's."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("FREEZETUI_CACHE", str(Path(__file__).parent.parent / ".pytest_cache" / "freezetui"))
