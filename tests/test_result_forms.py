"""Our rules for the forms of results against torch's own, and a walk against the very tensors of torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from engine.planning.live_storages import LiveStorages, MetaOnCpu
from engine.planning.result_forms import RULES

aten = torch.ops.aten


def images(channels: int = 6, side: int = 8, dtype: torch.dtype = torch.float32) -> Tensor:
    """A batch of three feature maps, laid out as the trainer lays them out."""
    return torch.rand(3, channels, side, side).to(dtype, memory_format=torch.channels_last)


def kernel(outside: int, inside: int, length: int) -> Tensor:
    """A convolution's weights, laid out as the trainer lays them out."""
    return torch.rand(outside, inside, length, length).to(memory_format=torch.channels_last)


def part(channels: int = 3) -> Tensor:
    """Half of a batch's channels."""
    return images(2 * channels)[:, :channels]


def norm(training: bool) -> list[Any]:
    return [torch.rand(6), torch.rand(6), torch.rand(6), torch.rand(6), training, 0.1, 1e-5]


def norm_backward(mask: list[bool]) -> list[Any]:
    return [images(), images(), *(torch.rand(6) for _ in range(5)), True, 1e-5, mask]


CASES: list[tuple[Any, list[Any]]] = [
    (aten.convolution.default, [images(), kernel(4, 6, 3), None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1]),
    (aten.convolution.default, [images(), kernel(4, 6, 3), torch.rand(4), [2, 2], [1, 1], [1, 1], False, [0, 0], 1]),
    (aten.convolution.default, [part(), kernel(4, 3, 1), None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1]),
    (aten.conv2d.default, [images(), kernel(4, 6, 1)]),
    (aten.conv2d.default, [images(), kernel(4, 6, 3), None, [2, 2], [1, 1]]),
    *(
        (
            aten.convolution_backward.default,
            [images(4), images(), kernel(4, 6, 3), biases, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, mask],
        )
        for biases, mask in (([0], [True, True, False]), ([4], [True, True, True]), ([0], [False, True, False]))
    ),
    (aten.native_batch_norm.default, [images(), *norm(training=True)]),
    (aten.native_batch_norm.default, [images(), *norm(training=False)]),
    (aten.native_batch_norm.default, [part(6), *norm(training=True)]),
    (aten.native_batch_norm.default, [images(dtype=torch.bfloat16), *norm(training=True)]),
    (aten.native_batch_norm_backward.default, norm_backward([True, True, True])),
    (aten.native_batch_norm_backward.default, norm_backward([False, True, True])),
    (aten.mish.default, [images()]),
    (aten.mish.default, [part()]),
    (aten.mish_backward.default, [images(), images()]),
    (aten.mish_backward.default, [part(), images(3)]),
    (aten.mish_backward.default, [images(3), part()]),
    (aten.leaky_relu_backward.default, [images(), images(), 0.1, True]),
    (aten.leaky_relu_backward.default, [images(3), part(), 0.1, True]),
    (aten.leaky_relu_backward.default, [part(), images(3), 0.1, True]),
    (aten.zeros_like.default, [kernel(4, 6, 3)]),
    (aten.zeros_like.default, [part()]),
    (aten.linalg_vector_norm.default, [kernel(4, 6, 3), 2.0]),
]


def same_form(tensor: Tensor) -> Tensor:
    """A meta tensor with the very strides of `tensor`, also where it is a part of another."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def forms(results: Any) -> list[Any]:
    """Shape, layout and type of each result."""
    found = results if isinstance(results, tuple | list) else [results]
    return [None if one is None else (one.shape, one.stride(), one.dtype) for one in found]


@pytest.mark.parametrize(("func", "args"), CASES, ids=lambda value: str(value) if not isinstance(value, list) else "")
def test_a_rule_gives_the_form_that_torch_really_makes(func: Any, args: list[Any]) -> None:
    on_meta = tree_map_only(Tensor, same_form, args)
    assert forms(RULES[func](*on_meta)) == forms(func(*args))


def test_every_rule_is_held_against_torch() -> None:
    assert {func for func, _ in CASES} == set(RULES)


def no_temporaries(func: Any, args: Sequence[Any], made: Sequence[Tensor]) -> int:
    return 0


def test_what_is_alive_is_followed() -> None:
    with LiveStorages(no_temporaries) as live:
        kept = torch.zeros(10)
        assert live.now == (40, 0)
        view = kept[2:4].unsqueeze(0)
        view += 1
        assert live.now == (40, 0)
        other = torch.ones(5, dtype=torch.uint8)
        assert live.now == (45, 0)
        del kept, other
        assert live.now == (40, 0), "a view keeps what it looks at"
        del view
        assert live.now == (0, 0)


@pytest.mark.parametrize(
    "change", [lambda tensor: tensor.unsqueeze_(0), lambda tensor: torch.add(tensor, 1, out=tensor)]
)
def test_an_operation_that_cannot_be_followed_says_so(change: Callable[[Tensor], Tensor]) -> None:
    with LiveStorages(no_temporaries), pytest.raises(NotImplementedError, match="not followed"):
        change(torch.zeros(3))


def test_a_tensor_without_content_is_of_no_use_elsewhere() -> None:
    with LiveStorages(no_temporaries):
        made = torch.zeros(3)
    assert isinstance(made, MetaOnCpu)
    with pytest.raises(TypeError, match="without content"):
        torch.add(made, 1)
