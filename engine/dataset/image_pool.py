"""Threads that read images, and stop soon when the work is cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def image_pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that start no other image once the block is left by an exception."""
    pool = ThreadPoolExecutor()
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
