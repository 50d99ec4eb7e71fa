"""What is started: how many processes, on which machines, and what becomes of them when one dies or hangs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

_VARIABLE = "FREEZETUI_LAUNCH"
_TIMEOUT_VARIABLE = "FREEZETUI_PROCESS_TIMEOUT"
TIMEOUT_SECONDS = 300.0
"""How long a process waits for the others in one call. The longest wait is that for the first one at the end of an epoch."""
SILENCE_SECONDS = 60.0
"""A process that gives no sign of life for so long hangs; its threads give them, whatever it computes."""
ORPHAN_SECONDS = 25.0
"""After the death of the process that started them, those that train have this long to save a checkpoint and end."""


@dataclass(frozen=True, slots=True)
class Rendezvous:
    """Several machines: how many, which of them this one is (from 0), and where they meet, `HOST:PORT` of one of them."""

    nodes: int = 1
    node_rank: int = 0
    endpoint: str = ""


ONE_MACHINE = Rendezvous()


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """What the agent starts on this machine. The processes inherit it in their environment."""

    module: str
    """The Python module that each process runs."""
    devices: tuple[str, ...]
    """The torch device of each process on this machine."""
    port: int
    """Of the hub in the process that starts them."""
    key: str
    folder: str
    """A temporary one; the agent removes it if the process that made it is dead."""
    rendezvous: Rendezvous = field(default_factory=Rendezvous)
    max_restarts: int = 0
    timeout: float = TIMEOUT_SECONDS
    """Seconds that a process waits for one that lives."""

    @property
    def log_folder(self) -> Path:
        """Of the standard output and standard error of the processes."""
        return Path(self.folder) / "logs"

    @property
    def silence(self) -> float:
        """Seconds without a sign of life after which a process hangs."""
        return min(SILENCE_SECONDS, self.timeout)

    def environment(self) -> dict[str, str]:
        """The environment of the agent."""
        # Else processes that are started again meet in the store of those before them, and may connect to one that is dead.
        own_store = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
        return {**os.environ, **own_store, _VARIABLE: json.dumps(asdict(self))}


def launch_spec(environment: Mapping[str, str] = os.environ) -> LaunchSpec | None:
    """The spec of the launch that this process belongs to; None if it belongs to none."""
    text = environment.get(_VARIABLE)
    if text is None:
        return None
    stored = json.loads(text)
    return LaunchSpec(
        **{**stored, "devices": tuple(stored["devices"]), "rendezvous": Rendezvous(**stored["rendezvous"])}
    )


def process_timeout() -> float:
    """`TIMEOUT_SECONDS`, or what `FREEZETUI_PROCESS_TIMEOUT` says: for slow disks and very large validation splits."""
    try:
        return max(1.0, float(os.environ[_TIMEOUT_VARIABLE]))
    except (KeyError, ValueError):
        return TIMEOUT_SECONDS
