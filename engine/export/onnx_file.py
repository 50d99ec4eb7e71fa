"""ONNX: written by torch's exporter, run by onnxruntime."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export import Dim

from engine.evaluation.detect import MAX_DETECTIONS, NMS_IOU
from engine.evaluation.predict import default_threshold
from engine.export.deployable import OUTPUTS, DeployableDetector
from engine.export.metadata import KEY, metadata
from engine.messages import bad_input
from engine.weights.native import WeightsInfo

OPSET = 18
"""Read by onnxruntime 1.14 and OpenCV 4.8 and later."""
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_STRIDE = 32
_MAX_SIDE = 8192


def require_packages() -> None:
    """Check that what writes and runs ONNX is installed.

    Raises:
        BadInput: it is not.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise bad_input(
            "export.packages",
            "--format onnx: {packages} is not installed; install it with: pip install {packages}",
            packages=" ".join(missing),
        )


def write_onnx(detector: DeployableDetector, info: WeightsInfo, path: Path, *, dynamic: bool) -> None:
    """Write `detector` to `path`, with its metadata.

    Args:
        detector: in eval mode, on the CPU.
        info: the info of its weights.
        path: is overwritten.
        dynamic: accept any batch size, and any height and width that are multiples of 32.
    """
    height, width = info.input_shape
    # A batch of one would be written into the graph as a constant.
    example = torch.rand(2 if dynamic else 1, 3, height, width)
    shapes = None
    if dynamic:
        most = _MAX_SIDE // _STRIDE
        sides = {2: _STRIDE * Dim("rows", min=1, max=most), 3: _STRIDE * Dim("columns", min=1, max=most)}
        shapes = {"images": {0: Dim("batch"), **sides}}
    with _quiet():
        program = torch.onnx.export(
            detector,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["images"],
            output_names=list(OUTPUTS),
            dynamic_shapes=shapes,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    model = program.model_proto
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(metadata(info), ensure_ascii=False)
    _write(model, path)


def write_onnx_with_nms(plain: Path, info: WeightsInfo, path: Path) -> None:
    """Write the file `plain`, which `write_onnx` wrote, with non-maximum suppression at the weights' threshold to `path`.

    Its output is `detections` (n, 7): number of the image in the batch, class, score, x1 y1 x2 y2.
    """
    import onnx

    model = onnx.load(plain)
    _add_nms(model, default_threshold(info))
    _write(model, path)


def _write(model: Any, path: Path) -> None:
    import onnx

    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def onnx_runner(path: Path) -> Callable[[Tensor], tuple[NDArray[np.float32], ...]]:
    """Runs the file at `path` with onnxruntime: a batch in, its outputs out."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    return lambda images: tuple(session.run(None, {"images": images.numpy()}))


def runtime_name() -> str:
    """The runtime that checks the file, with its version."""
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}"


def _add_nms(model: Any, threshold: float) -> None:
    """Replace the outputs by `detections`. As in `non_max_suppression`, a row counts for its most probable class only."""
    from onnx import TensorProto, helper

    graph = model.graph
    graph.initializer.extend(
        (
            helper.make_tensor("nms_axis", TensorProto.INT64, [1], [2]),
            helper.make_tensor("nms_zero", TensorProto.FLOAT, [], [0.0]),
            helper.make_tensor("nms_most", TensorProto.INT64, [1], [MAX_DETECTIONS]),
            helper.make_tensor("nms_iou", TensorProto.FLOAT, [1], [NMS_IOU]),
            helper.make_tensor("nms_threshold", TensorProto.FLOAT, [1], [threshold]),
            helper.make_tensor("nms_box_columns", TensorProto.INT64, [2], [0, 2]),
            helper.make_tensor("nms_image_and_class", TensorProto.INT64, [2], [0, 1]),
            helper.make_tensor("nms_last", TensorProto.INT64, [1], [1]),
        )
    )

    def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> None:
        graph.node.append(helper.make_node(operator, inputs, [output], name=output, **attributes))

    node("ReduceMax", ["scores", "nms_axis"], "nms_best", keepdims=1)
    node("Equal", ["scores", "nms_best"], "nms_is_best")
    node("Where", ["nms_is_best", "scores", "nms_zero"], "nms_best_scores")
    node("Transpose", ["nms_best_scores"], "nms_class_scores", perm=[0, 2, 1])
    inputs = ["boxes", "nms_class_scores", "nms_most", "nms_iou", "nms_threshold"]
    node("NonMaxSuppression", inputs, "nms_selected")  # (n, 3): image, class, row
    node("Gather", ["nms_selected", "nms_box_columns"], "nms_box_indices", axis=1)
    node("GatherND", ["boxes", "nms_box_indices"], "nms_boxes")
    node("GatherND", ["nms_class_scores", "nms_selected"], "nms_flat_scores")
    node("Unsqueeze", ["nms_flat_scores", "nms_last"], "nms_scores")
    node("Gather", ["nms_selected", "nms_image_and_class"], "nms_labels", axis=1)
    node("Cast", ["nms_labels"], "nms_float_labels", to=TensorProto.FLOAT)
    node("Concat", ["nms_float_labels", "nms_scores", "nms_boxes"], "detections", axis=1)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("detections", TensorProto.FLOAT, ["objects", 7]))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter writes its progress to standard output and the log."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
