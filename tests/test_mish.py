"""Our Mish on the processor, against torch's and against finite differences."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from engine.network.mish import BLOCK, mish, mish_backward

TOLERANCES = {
    torch.float32: (1e-6, 1e-5),
    torch.float64: (1e-14, 1e-13),
    torch.bfloat16: (2**-8, 2**-7),
    torch.float16: (2**-11, 2**-10),
}
"""Of values and of gradients, relative to the larger of 1 and the value. 16-bit values are off by at most half a unit of their
last place, as torch's are."""
EXTREMES = (math.inf, -math.inf, math.nan, 1e4, -1e4, 3e38, -3e38, 88.0, -88.0, -104.0, 20.0, -20.0, 1e-40, -1e-40, 0.0)


def with_gradient(x: Tensor, gradient: Tensor, function: object) -> tuple[Tensor, Tensor]:
    """The output of an activation, and the gradient of its input."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    output = function(x)  # type: ignore[operator]
    output.backward(gradient)
    assert x.grad is not None
    return output.detach(), x.grad


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("dtype", list(TOLERANCES))
def test_values_and_gradients_are_those_of_torch(dtype: torch.dtype, memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    x = (4 * torch.randn(2, 24, 71, 73)).to(dtype, memory_format=memory_format)
    assert x.numel() > BLOCK  # several blocks, the last one shorter
    # The gradient of a concatenation is a slice that is not dense.
    gradient = torch.randn(2, 48, 71, 73).to(dtype, memory_format=memory_format)[:, :24]
    expected, expected_gradient = with_gradient(x.double(), gradient.double(), F.mish)
    output, input_gradient = with_gradient(x, gradient, mish)
    assert output.dtype == input_gradient.dtype == dtype
    assert output.stride() == input_gradient.stride() == x.stride()
    pairs = ((output, expected), (input_gradient, expected_gradient))
    for (found, wanted), tolerance in zip(pairs, TOLERANCES[dtype], strict=True):
        assert ((found - wanted).abs() / wanted.abs().clamp(min=1)).max() <= tolerance


def test_the_gradient_is_that_of_finite_differences() -> None:
    x = torch.linspace(-30, 30, 61, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mish, (x,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_values_give_what_torch_gives(dtype: torch.dtype) -> None:
    x = torch.tensor(EXTREMES).to(dtype)
    gradient = torch.ones_like(x)
    for found, wanted in (
        (mish(x.clone()), F.mish(x)),
        (mish_backward(gradient, x), torch.ops.aten.mish_backward(gradient, x)),
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-6, atol=0, equal_nan=True)


def test_without_a_gradient_it_works_in_place_and_gives_the_same_bits() -> None:
    x = torch.randn(2, 3, 5, 7).to(memory_format=torch.channels_last)
    expected = mish(x.clone(memory_format=torch.preserve_format).requires_grad_()).detach()
    with torch.inference_mode():
        output = mish(x)
    assert output.data_ptr() == x.data_ptr()
    assert torch.equal(output, expected)


def test_a_view_with_gaps_is_activated_in_place_too() -> None:
    x = torch.randn(2, 6, 5, 7).to(memory_format=torch.channels_last)
    part, rest = x[:, :3], x[:, 3:].clone()
    expected = F.mish(part)
    torch.testing.assert_close(mish(part), expected)
    torch.testing.assert_close(x[:, :3], expected)
    assert torch.equal(x[:, 3:], rest)


def test_no_values_are_no_error() -> None:
    x = torch.empty(0, 3, 4, 4, requires_grad=True)
    mish(x).sum().backward()
    assert x.grad is not None


def test_a_traced_network_uses_only_torchs_operators() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit.trace is deprecated
        traced = torch.jit.trace(mish, torch.randn(1, 2, 3, 4))  # type: ignore[no-untyped-call]
    assert "aten::mish" in str(traced.graph)
    assert "freezetui" not in str(traced.graph)
