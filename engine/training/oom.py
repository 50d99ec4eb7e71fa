"""What running out of memory looks like, and giving back what is no longer needed."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress

import torch

_SIGNS = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "could not create a memory object",  # oneDNN; and where the code it writes at run time finds no room:
    "could not create a primitive",
    "std::bad_alloc",
    "can't start new thread",  # its stack finds no room
    "Resource temporarily unavailable",  # the same, for threads of C++
    "Insufficient memory",  # OpenCV
    "CUDA error: out of memory",  # of the driver and CUDA's libraries, beside torch's allocator
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "MPS backend out of memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that an allocation failed, on a GPU (its own type) or on the CPU (as each library words it)."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    is_worded = isinstance(error, RuntimeError) or type(error).__module__ == "cv2"
    return is_worded and any(sign in str(error) for sign in _SIGNS)


def release_memory(device: torch.device) -> None:
    """Return memory that nothing uses any more to the GPU or the system, as far as they can be told to."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    elif sys.platform == "linux":
        with suppress(OSError, AttributeError):  # glibc's; other C libraries have none
            ctypes.CDLL(None).malloc_trim(0)
