"""From a batch of images to decoded predictions, as quickly as the device can."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import torch
from torch import Tensor

from engine.network.detector import Detector
from engine.network.folding import fold_batch_norm
from engine.network.precision import cpu_threads, network_input

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES: Mapping[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class InferenceNetwork:
    """A copy of a network for inference on one device: batch norm folded, in fp32, bf16 or fp16.

    A call takes images (batch, 3, height, width) uint8, at least one, and returns (batch, rows, 5 + classes) as `Detector.decode` does.
    """

    def __init__(
        self, network: Detector, input_shape: tuple[int, int], device: torch.device, precision: Precision = "fp32"
    ) -> None:
        self.levels = network.levels
        self._dtype = DTYPES[precision]
        folded = fold_batch_norm(network.eval())
        self._network = (folded if precision == "fp32" else folded.clone().to(self._dtype)).move_to(device)
        self._input_shape = input_shape
        self._device = device

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """All predictions of a batch, on the device."""
        if self._device.type == "cpu":
            return self._on_threads(images)
        return torch.cat(self._in_parts(images))

    def _decoded(self, images: Tensor) -> Tensor:
        raw = self._network(network_input(images, self._device).to(self._dtype))
        return self._network.decode(raw, self._input_shape)

    def _on_threads(self, images: Tensor) -> Tensor:
        """Part of the images on each thread.

        The other way, all threads in each layer of all images, makes them wait for each other after each layer: where a program beside
        this one takes a core now and then, that costs many times the work itself.
        """
        threads = torch.get_num_threads()
        parts = min(threads, len(images))
        if parts == 1:
            return self._decoded(images)

        @torch.inference_mode()  # holds for one thread
        def decoded(part: Tensor) -> Tensor:
            with cpu_threads(threads // parts):
                return self._decoded(part)

        try:
            with ThreadPoolExecutor(parts, thread_name_prefix="network") as pool:
                return torch.cat(list(pool.map(decoded, images.tensor_split(parts))))
        finally:
            # Threads that start later take the number that was set last.
            torch.set_num_threads(threads)

    def _in_parts(self, images: Tensor) -> list[Tensor]:
        """In one part; in more where the memory of the device ran out."""
        try:
            return [self._decoded(images)]
        except torch.OutOfMemoryError:
            if len(images) == 1:
                raise
        half = len(images) // 2  # outside the except block, whose exception holds tensors
        return [*self._in_parts(images[:half]), *self._in_parts(images[half:])]
