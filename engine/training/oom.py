"""Recognises out-of-memory errors, and releases memory that is no longer used."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress

import torch

_PATTERNS = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "could not create a memory object",  # oneDNN
    "could not create a primitive",  # oneDNN, no memory for the code it generates
    "std::bad_alloc",
    "can't start new thread",  # no memory for its stack
    "Resource temporarily unavailable",  # the same, for C++ threads
    "Insufficient memory",  # OpenCV
    "CUDA error: out of memory",  # from the driver and CUDA's libraries, not from torch's allocator
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "MPS backend out of memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed. GPU errors have a type of their own; on the CPU only the text of the error tells."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    may_match = isinstance(error, RuntimeError) or type(error).__module__ == "cv2"
    return may_match and any(pattern in str(error) for pattern in _PATTERNS)


def release_memory(device: torch.device) -> None:
    """Return unused memory to the GPU or the system, as far as these have a call for it."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    elif sys.platform == "linux":
        with suppress(OSError, AttributeError):  # only glibc has malloc_trim
            ctypes.CDLL(None).malloc_trim(0)
