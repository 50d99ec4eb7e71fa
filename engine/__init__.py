"""The engine of freezetui: data sets, networks, training and evaluation. It knows no screen."""

import os
import sys

# CUDA reads these once, when it is first used, so they are set before torch is imported. The user's own values stay.
# cuBLAS sums in the same order every time only with a workspace of a fixed size (NVIDIA's cuBLAS documentation, "Reproducibility").
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
# OpenMP's threads spin while they wait for each other. Where other programs use the cores, a thread that spins takes the core that the
# others wait for: two threads on two busy cores took ten times as long with libgomp's 300,000 spins as with 1,000, which is its own
# number where there are more threads than cores (benchmarks/neighbour.py).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# Blocks that grow waste less: without them a frozen stage reserved up to half as much again as it needed (H100, yolov4-tiny).
if sys.platform == "linux" and "PYTORCH_CUDA_ALLOC_CONF" not in os.environ:
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
