"""The tracker of live storages: what it counts, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.planning.memory.temporaries import no_temporaries
from engine.planning.memory.tracker import FakeTracker, MemoryTracker, MetaTracker, peak, upper_envelope
from engine.torch_internals import CpuMetaTensor


@pytest.mark.parametrize("tracker", [MetaTracker, FakeTracker])
def test_storages_count_from_their_allocation_until_the_last_view_is_deleted(tracker: type[MemoryTracker]) -> None:
    with tracker(no_temporaries) as memory:
        tensor = torch.zeros(10)
        assert memory.current == (40, 0)
        view = tensor[2:4].unsqueeze(0)
        view += 1
        assert memory.current == (40, 0)
        other = torch.ones(5, dtype=torch.uint8)
        assert memory.current == (45, 0)
        del tensor, other
        assert memory.current == (40, 0)
        del view
        assert memory.current == (0, 0)


def test_a_size_that_is_a_multiple_of_the_batch_size_grows_with_it() -> None:
    with MetaTracker(no_temporaries) as memory:
        images = torch.empty(1009, 3)
        weight = torch.empty(3, 3)
        assert memory.current == (36, 12)
        del images, weight


def test_temporaries_count_in_the_peak_only() -> None:
    def temporaries(func: Any, args: Sequence[Any], results: Sequence[Tensor]) -> int:
        return 100

    with MetaTracker(temporaries) as memory:
        tensor = torch.zeros(10)
        assert memory.current == (40, 0)
        assert memory.peaks_since(0) == ((140, 0),)
        del tensor


@pytest.mark.parametrize(
    "change", [lambda tensor: tensor.unsqueeze_(0), lambda tensor: torch.add(tensor, 1, out=tensor)]
)
def test_an_operator_that_changes_a_shape_in_place_is_refused(change: Callable[[Tensor], Tensor]) -> None:
    with MetaTracker(no_temporaries), pytest.raises(TypeError, match="cannot track"):
        change(torch.zeros(3))


def test_a_tensor_without_data_cannot_be_used_outside_the_tracker() -> None:
    with MetaTracker(no_temporaries):
        tensor = torch.zeros(3)
    assert isinstance(tensor, CpuMetaTensor)
    with pytest.raises(TypeError, match="has no data"):
        torch.add(tensor, 1)


def test_the_envelope_keeps_the_samples_that_are_highest_for_some_batch_size() -> None:
    samples = [(100, 1), (10, 5), (90, 1), (50, 3), (0, 4)]
    envelope = upper_envelope(samples)
    for batch_size in range(1, 200):
        assert peak(envelope, batch_size) == max(fixed + per_image * batch_size for fixed, per_image in samples)
    assert (90, 1) not in envelope
    assert (0, 4) not in envelope
