"""The private names of torch that the engine uses. No other module of the engine uses one.

A release of torch may rename or remove them. Each function therefore either replaces a missing name by a public one, or raises
(AttributeError, ImportError) and its caller has another way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from inspect import unwrap
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

OperatorHandler = Callable[[Any, Sequence[Any], Mapping[str, Any]], Any]
"""Receives an operator and its arguments; returns its result."""

OptimizerT = TypeVar("OptimizerT", bound=torch.optim.Optimizer)

_CPU = torch.device("cpu")
_WRAPPED_OPTIMIZER_METHODS = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


class CpuMetaTensor(Tensor):
    """A meta tensor that reports the CPU as its device, so that autograd and autocast treat it like a tensor on the CPU."""

    meta: Tensor
    __torch_function__: Any = getattr(
        torch._C, "_disabled_torch_function_impl", None
    )  # as torch's own subclasses do it

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Reached only outside a tracker: there is no data to compute with."""
        raise TypeError(f"{func} was called outside of a memory tracker with a tensor that has no data.")


class TorchInternals:
    """The private names that the memory trackers need. Tests pass a `library` in which one is missing."""

    def __init__(self, library: Any = torch) -> None:
        self._torch = library

    def intercept(self, handler: OperatorHandler) -> AbstractContextManager[object]:
        """Inside the context every operator call goes to `handler`, which returns its result."""
        base: Any = self._torch.utils._python_dispatch.TorchDispatchMode

        class Interceptor(base):  # type: ignore[misc]
            @classmethod
            def _should_skip_dynamo(cls) -> bool:
                """False: else torch imports its compiler, which takes about as long as the import of torch itself."""
                return False

            def __torch_dispatch__(
                self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
            ) -> Any:
                return handler(func, args, kwargs or {})

        mode: AbstractContextManager[object] = Interceptor()
        return mode

    def fake_tensor_mode(self) -> AbstractContextManager[object]:
        """Inside the context new tensors are fake: they report a device, but have no data."""
        import_module("torch._subclasses.fake_tensor")  # not at the top: it takes a second
        mode: AbstractContextManager[object] = self._torch._subclasses.fake_tensor.FakeTensorMode()
        return mode

    def cpu_meta_tensor(self, meta: Tensor) -> CpuMetaTensor:
        """A tensor with the shape, strides and storage of `meta`."""
        tensor: CpuMetaTensor = self._torch.Tensor._make_wrapper_subclass(
            CpuMetaTensor,
            meta.shape,
            strides=meta.stride(),
            storage_offset=meta.storage_offset(),
            dtype=meta.dtype,
            device=_CPU,
        )
        tensor.meta = meta
        return tensor

    def operator_schema(self, func: Any) -> Any:
        """Arguments and results of an operator (`torch.ops.aten.add.Tensor`)."""
        return func._schema


TORCH_INTERNALS = TorchInternals()


def has_bf16_convolutions(library: Any = torch) -> bool:
    """Whether oneDNN computes convolutions in bf16 on this processor. torch's builds for macOS have no oneDNN."""
    if not library.backends.mkldnn.is_available():
        return False
    try:
        return bool(library.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):
        return bool(library.backends.cpu.get_cpu_capability() == "AVX512")


def parameters_of(module: torch.nn.Module) -> Iterator[Tensor]:
    """The parameters of a module, also of one of the copies that DataParallel makes, which has none by `parameters()`."""
    for child in module.modules():
        own = dict(child.named_parameters(recurse=False)) or getattr(child, "_former_parameters", {})
        yield from (tensor for tensor in own.values() if tensor is not None)


def foreach_copy_(targets: Iterable[Tensor], sources: Iterable[Tensor], library: Any = torch) -> None:
    """Copy each source into its target; one kernel on a GPU for lists of one dtype."""
    if copy := getattr(library, "_foreach_copy_", None):
        copy(list(targets), list(sources))
        return
    for target, source in zip(targets, sources, strict=True):
        target.copy_(source)


def foreach_lerp_(starts: Iterable[Tensor], ends: Iterable[Tensor], weight: float, library: Any = torch) -> None:
    """Move each start towards its end by the fraction `weight`, in place; few kernels on a GPU."""
    if lerp := getattr(library, "_foreach_lerp_", None):
        lerp(list(starts), list(ends), weight)
        return
    for start, end in zip(starts, ends, strict=True):
        start.lerp_(end, weight)


def without_compiler_import(optimizer_class: type[OptimizerT]) -> type[OptimizerT]:
    """The optimizer class without the wrappers of its methods, which import torch's compiler when they are first called.

    Nothing is compiled here, and that import takes 1.1 s of CPU time and loads 900 modules; a memory prediction takes 0.1 s.
    Where torch does not wrap a method, the method stays as it is.
    """
    methods: dict[str, Any] = {name: unwrap(getattr(optimizer_class, name)) for name in _WRAPPED_OPTIMIZER_METHODS}
    methods["step"] = torch.no_grad()(unwrap(optimizer_class.step))
    return cast("type[OptimizerT]", type(optimizer_class.__name__, (optimizer_class,), methods))


def ddp_bucket_sizes(ddp: Any) -> list[int]:
    """How many values each bucket of gradients of a `DistributedDataParallel` has, in the order in which they are summed."""
    return [bucket.buffer().numel() for bucket in ddp.reducer._get_zeros_like_grad_buckets()]
