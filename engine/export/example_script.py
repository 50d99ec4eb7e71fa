"""The script beside an exported file: it detects objects in an image without freezetui."""

from __future__ import annotations

from engine.export.metadata import KEY
from engine.weights.native import WeightsInfo

_LETTERBOX = """\
scale = min(width / image.shape[1], height / image.shape[0])
w, h = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
left, top = (width - w) // 2, (height - h) // 2
canvas = np.full((height, width, 3), 128, np.uint8)
canvas[top : top + h, left : left + w] = shrink(image, w, h)
"""
_STRETCH = """\
w, h, left, top = width, height, 0, 0
canvas = cv2.resize(image, (width, height))
"""
_SHRINK = '''\


def shrink(image, w, h):
    """Resize an image; halving it first keeps every pixel."""
    while image.shape[1] >= 2 * w or image.shape[0] >= 2 * h:
        half_w = image.shape[1] // 2 if image.shape[1] >= 2 * w else image.shape[1]
        half_h = image.shape[0] // 2 if image.shape[0] >= 2 * h else image.shape[0]
        image = cv2.resize(image, (half_w, half_h))
    return cv2.resize(image, (w, h))


'''
_ONNX = """\
session = onnxruntime.InferenceSession(Path(__file__).with_name({name!r}).read_bytes())
about = json.loads(session.get_modelmeta().custom_metadata_map[{key!r}])
"""
_TORCHSCRIPT = """\
extra = {{{key!r}: ""}}
network = torch.jit.load(str(Path(__file__).with_name({name!r})), _extra_files=extra)
about = json.loads(extra[{key!r}])
"""
_DARKNET = """\
network = cv2.dnn.readNetFromDarknet(*(str(Path(__file__).with_name(name)) for name in ({cfg!r}, {name!r})))
about = {about}
"""
_SELECT = """\
labels, scores = scores.argmax(-1), scores.max(-1)
sizes = np.column_stack((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]))
kept = cv2.dnn.NMSBoxesBatched(sizes.tolist(), scores.tolist(), labels.tolist(), about["threshold"], about["iou"])
for row in sorted(kept, key=lambda row: -scores[row]):
"""


def example_script(kind: str, name: str, info: WeightsInfo, about: dict[str, object], *, nms: bool) -> str:
    """A Python script that prints class, confidence and x1 y1 x2 y2 of each object in an image.

    Args:
        kind: onnx, torchscript or darknet.
        name: the name of the exported file, in the same folder.
        info: the info of the weights.
        about: what `metadata` gives, for files that cannot hold it.
        nms: the file does non-maximum suppression itself.
    """
    package, load, run = {
        "onnx": ("onnxruntime", _ONNX, 'session.run(None, {"images": batch})'),
        "torchscript": ("torch", _TORCHSCRIPT, "(output.numpy() for output in network(torch.from_numpy(batch)))"),
        "darknet": ("", _DARKNET, ""),
    }[kind]
    needs = " and ".join(
        filter(None, ("numpy, opencv-python" if package else "numpy", package or "opencv-python below 5"))
    )
    lines = [
        f'"""Detects objects in an image: python {{}} IMAGE. Needs {needs}."""\n',
        "import json" if kind != "darknet" else "",
        "import sys",
        "from pathlib import Path\n",
        "import cv2",
        "import numpy as np",
        f"import {package}" if package else "",
    ]
    text = "\n".join(line for line in lines if line) + "\n"
    text += _SHRINK if info.preprocessing == "letterbox" else "\n"
    text += load.format(name=name, key=KEY, cfg=name.removesuffix(".weights") + ".cfg", about=_literal(about))
    text += 'height, width = about["input_shape"]\n'
    text += "image = cv2.imdecode(np.fromfile(sys.argv[1], np.uint8), cv2.IMREAD_COLOR)\n"
    text += _LETTERBOX if info.preprocessing == "letterbox" else _STRETCH
    text += "batch = canvas[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255\n"
    if kind == "darknet":
        text += "network.setInput(np.ascontiguousarray(batch))\n"
        text += "rows = np.concatenate(network.forward(network.getUnconnectedOutLayersNames()))\n"
        text += "centres, half = rows[:, :2] * (width, height), rows[:, 2:4] * (width, height) / 2\n"
        text += "boxes, scores = np.column_stack((centres - half, centres + half)), rows[:, 5:]\n"
    elif nms:
        text += f"(detections,) = {run}\n"
    else:
        text += f"boxes, scores = (output[0] for output in {run})\n"
    if nms:
        text += "for _, label, score, *box in sorted(detections.tolist(), key=lambda row: -row[2]):\n"
        text += '    box, name = np.array(box), about["classes"][int(label)]\n'
    else:
        text += _SELECT
        text += '    box, name, score = boxes[row], about["classes"][labels[row]], scores[row]\n'
    text += "    corners = (box - (left, top, left, top)) / (w, h, w, h) * (image.shape[1::-1] * 2)\n"
    text += "    corners = np.clip(corners, 0, image.shape[1::-1] * 2)\n"
    text += '    print(name, f"{score:.3f}", *(f"{corner:.1f}" for corner in corners))\n'
    return text


def _literal(about: dict[str, object]) -> str:
    entries = ",\n".join(f"    {key!r}: {value!r}" for key, value in about.items())
    return f"{{\n{entries},\n}}"
