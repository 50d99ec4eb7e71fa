"""The engine of freezetui: data sets, networks, training and evaluation. It knows no screen."""

import os
import sys

# CUDA reads these once, when it is first used, so they are set before torch is imported. The user's own values stay.
# cuBLAS sums in the same order every time only with a workspace of a fixed size (NVIDIA's cuBLAS documentation, "Reproducibility").
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
# Blocks that grow waste less: without them a frozen stage reserved up to half as much again as it needed (H100, yolov4-tiny).
if sys.platform == "linux" and "PYTORCH_CUDA_ALLOC_CONF" not in os.environ:
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
