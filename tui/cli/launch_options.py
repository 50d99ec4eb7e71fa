"""The options of a training in several processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.messages import bad_input
from tui.cli.console import discard_output

if TYPE_CHECKING:
    from engine.runner.launch import Launch

DEFAULT_PORT = 29400
"""Of torchrun too."""


def parse_launch(max_restarts: int, nodes: int, node_rank: int, rendezvous: str | None) -> Launch:
    """The values of --max-restarts, --nodes, --node-rank and --rendezvous.

    Raises:
        BadInput: one is missing or out of range.
    """
    check_launch(max_restarts, nodes, node_rank, rendezvous)
    from engine.parallel.launch_spec import Rendezvous
    from engine.runner.launch import Launch

    host, colon, port = (rendezvous or "").rpartition(":")
    endpoint = f"{host}:{port}" if colon else f"{rendezvous or ''}:{DEFAULT_PORT}"
    return Launch(Rendezvous(nodes, node_rank, endpoint) if nodes > 1 else Rendezvous(), max_restarts)


def machines(nodes: int) -> int:
    """Number of machines: --nodes, or that of torchrun where it has started this process. Of its processes one alone prints."""
    from engine.parallel.place import torchrun_place

    place = torchrun_place()
    if place is None:
        return nodes
    if place.rank > 0:
        discard_output()
    return place.processes // place.local_processes


def check_launch(max_restarts: int, nodes: int, node_rank: int, rendezvous: str | None) -> None:
    """Refuse values that cannot be right, before anything is read or imported.

    Raises:
        BadInput: one is missing or out of range.
    """
    if max_restarts < 0:
        raise bad_input(
            "command.max_restarts", "--max-restarts {count}: the smallest is 0, for none.", count=max_restarts
        )
    if nodes < 1:
        raise bad_input("command.nodes", "--nodes {count}: the smallest is 1, this machine alone.", count=nodes)
    if not 0 <= node_rank < nodes:
        raise bad_input(
            "command.node_rank",
            "--node-rank {rank}: of {nodes} machine(s) it is a number from 0 to {last}.",
            rank=node_rank,
            nodes=nodes,
            last=nodes - 1,
        )
    if nodes > 1 and not rendezvous:
        raise bad_input(
            "command.rendezvous",
            "--rendezvous: {nodes} machines need the address at which they meet, HOST:PORT of the machine with --node-rank 0.",
            nodes=nodes,
        )
    port = (rendezvous or "").rpartition(":")[2] if ":" in (rendezvous or "") else str(DEFAULT_PORT)
    if not port.isdigit() or not 0 < int(port) < 65_536:
        raise bad_input(
            "command.rendezvous_port",
            "--rendezvous {address}: write it as HOST:PORT, for example 192.168.1.10:{port}.",
            address=rendezvous,
            port=DEFAULT_PORT,
        )
