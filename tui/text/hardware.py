"""Hardware as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.text.translate import _

if TYPE_CHECKING:
    from engine.hardware import TorchBuild


def torch_build_text(build: TorchBuild) -> str:
    """The version of torch and the devices that it was built for."""
    if build.version is None:
        return _("torch is not installed")
    if build.cuda:
        return _("{version}, built for CUDA {cuda}", version=build.version, cuda=build.cuda)
    if build.hip:
        return _("{version}, built for AMD cards", version=build.version)
    if build.mps:
        return _("{version}, with support for Apple GPUs", version=build.version)
    return _("{version}, without CUDA: it trains on the processor", version=build.version)
