"""What running out of memory looks like."""

from __future__ import annotations

import torch

_SIGNS = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "could not create a memory object",  # oneDNN
    "std::bad_alloc",
    "can't start new thread",  # its stack finds no room
    "Insufficient memory",  # OpenCV
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that an allocation failed, on a GPU (its own type) or on the CPU (as each library words it)."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    is_worded = isinstance(error, RuntimeError) or type(error).__module__ == "cv2"
    return is_worded and any(sign in str(error) for sign in _SIGNS)
