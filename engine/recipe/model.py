"""Every parameter of a training, in one immutable model.

Names are the tutorials' own in snake_case. The meaning of a parameter, its bounds, its default for each method and the
methods that read it are defined only here; forms, help texts and documents are generated from this model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticKnownError

from engine.network.registry import NETWORKS


def _check_network(name: object) -> str:
    if not isinstance(name, str) or name not in NETWORKS:
        raise PydanticKnownError("literal_error", {"expected": " or ".join(map(repr, NETWORKS))})
    return name


def _height_and_width(value: object) -> object:
    """`416` and `608x416` (width x height, as a Plan shows it) as lists of height and width."""
    if isinstance(value, int) and not isinstance(value, bool):
        return [value, value]
    if isinstance(value, str) and (sides := re.fullmatch(r"\s*(\d{1,5})\s*[x×]\s*(\d{1,5})\s*", value, re.IGNORECASE)):
        return [int(sides[2]), int(sides[1])]
    return value


Network = Annotated[str, PlainValidator(_check_network), WithJsonSchema({"type": "string", "enum": list(NETWORKS)})]
"""A name in the table of networks; validated like a Literal of these names."""
Method = Literal["modern", "tutorial"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Parallel = Literal["none", "dp", "ddp"]
ActivationCheckpointing = Literal["auto", "off", "on"]
MIN_BATCH_SIZE = 2
"""Batch norm cannot train on one image."""
Threads = Annotated[int, Field(ge=1, le=1024)] | Literal["auto", "adapt"]
BatchSize = Annotated[int, Field(ge=MIN_BATCH_SIZE, le=65_536)] | Literal["auto"]
Fraction = Annotated[float, Field(ge=0, le=1)]
AnchorLength = Annotated[float, Field(gt=0, le=1e6)]
AnchorSize = tuple[AnchorLength, AnchorLength]
MAX_EPOCHS = 1_000_000
InputSide = Annotated[int, Field(ge=32, le=8192, multiple_of=32)]

COCO = "coco"
"""As `model_path`: the official COCO weights of the chosen network."""


def _setting(description: str, *, only: Method | None = None, advanced: bool = False) -> Any:
    """Field with its description. `only`: the one method that reads it (None: both). `advanced`: not for beginners."""
    return Field(description=description, json_schema_extra={"only": only, "advanced": advanced})


class Recipe(BaseModel):
    """Every parameter of a training. `make_recipe` is the constructor: it also applies the rules between the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, protected_namespaces=(), allow_inf_nan=False)

    format_version: Annotated[Literal[1], _setting("Version of the recipe format.", advanced=True)] = 1
    network: Annotated[Network, _setting("yolov4-tiny trains ten times faster, yolov4 detects better.")] = "yolov4-tiny"
    method: Annotated[
        Method, _setting("modern learns faster; tutorial uses the loss and the learning rates of the tutorials.")
    ] = "modern"
    model_path: Annotated[
        str,
        _setting("Weights of the whole network to start from: a file, or 'coco' for the official ones. Empty: none."),
    ] = COCO
    pretrained: Annotated[bool, _setting("Start from backbone weights only. Ignored if model_path is set.")] = False
    input_shape: Annotated[
        tuple[InputSide, InputSide],
        BeforeValidator(_height_and_width),
        _setting(
            "Input height and width, multiples of 32; a larger input finds smaller objects and needs more memory."
        ),
    ] = (416, 416)
    anchors: Annotated[
        Literal["network"] | tuple[AnchorSize, ...],
        _setting(
            "Anchor sizes in input pixels, smallest first; 'network' keeps the anchors of the weights.", advanced=True
        ),
    ] = "network"

    init_epoch: Annotated[
        int,
        Field(ge=0, le=MAX_EPOCHS),
        _setting("Epoch to start from; a start at freeze_epoch or later skips the freeze stage.", advanced=True),
    ] = 0
    freeze_train: Annotated[
        bool, _setting("Train with a frozen backbone first; must be off when training from scratch.")
    ] = True
    freeze_epoch: Annotated[int, Field(ge=1, le=MAX_EPOCHS), _setting("The epoch at which the freeze stage ends.")] = 3
    freeze_batch_size: Annotated[
        BatchSize, _setting("Batch size of the freeze stage: 1 to 2 times unfreeze_batch_size.")
    ] = 16
    unfreeze_epoch: Annotated[int, Field(ge=1, le=MAX_EPOCHS), _setting("The total number of epochs.")] = 50
    unfreeze_batch_size: Annotated[
        BatchSize, _setting("Batch size of the unfreeze stage: as large as memory allows, at least 2.")
    ] = 8
    accumulate: Annotated[
        int,
        Field(ge=1, le=64),
        _setting(
            "Batches whose gradients are added up for one step: a larger batch in the same memory.", advanced=True
        ),
    ] = 1
    activation_checkpointing: Annotated[
        ActivationCheckpointing,
        _setting(
            "Compute parts of the network twice instead of keeping them: twice the batch in the same memory, a quarter slower. "
            "auto: where the batch would fall below 8 without it.",
            advanced=True,
        ),
    ] = "auto"

    optimizer_type: Annotated[Literal["sgd", "adam", "adamw"], _setting("sgd (Nesterov), adam or adamw.")] = "adamw"
    momentum: Annotated[
        float, Field(ge=0, lt=1), _setting("Momentum of SGD; beta1 of Adam and AdamW.", advanced=True)
    ] = 0.9
    weight_decay: Annotated[
        float, Field(ge=0, le=0.1), _setting("Pulls weights towards zero; with adam it should be 0.", advanced=True)
    ] = 5e-4
    init_lr: Annotated[
        float,
        Field(gt=0, le=1),
        _setting("The highest learning rate; the tutorial method scales it with the batch size."),
    ] = 2e-3
    min_lr: Annotated[
        float, Field(ge=0, le=1), _setting("The learning rate at the end of the training.", advanced=True)
    ] = 1e-4
    lr_decay_type: Annotated[
        Literal["cos", "step"],
        _setting("How the learning rate falls: along a cosine, or in steps.", only="tutorial", advanced=True),
    ] = "cos"

    mosaic: Annotated[
        bool, _setting("Combine four images into one, so that each step sees more objects and scales.", advanced=True)
    ] = True
    mosaic_prob: Annotated[Fraction, _setting("Probability that a sample is a mosaic.", advanced=True)] = 0.5
    mixup: Annotated[bool, _setting("Blend another image over a mosaic.", advanced=True)] = True
    mixup_prob: Annotated[
        Fraction, _setting("Probability that a mosaic is blended with another image.", advanced=True)
    ] = 0.5
    special_aug_ratio: Annotated[
        Fraction, _setting("Mosaic is used in this fraction of all epochs, from the first epoch on.", advanced=True)
    ] = 0.7
    label_smoothing: Annotated[
        float, Field(ge=0, le=0.1), _setting("Softens the class targets; 0.01 or less.", advanced=True)
    ] = 0.0
    focal_loss: Annotated[
        bool,
        _setting(
            "Focal loss for objectness, for data with far more background than objects.", only="tutorial", advanced=True
        ),
    ] = False
    focal_alpha: Annotated[
        Fraction, _setting("Weight of the positive cells in the focal loss.", only="tutorial", advanced=True)
    ] = 0.25
    focal_gamma: Annotated[
        float,
        Field(ge=0, le=5),
        _setting("How strongly the focal loss reduces the weight of easy cells.", only="tutorial", advanced=True),
    ] = 2.0
    iou_type: Annotated[Literal["ciou", "siou"], _setting("Type of the box loss.", only="tutorial", advanced=True)] = (
        "ciou"
    )
    ema: Annotated[
        bool,
        _setting("Keep a moving average (EMA) of the weights; evaluation and saved weights use it.", advanced=True),
    ] = True

    save_period: Annotated[
        int, Field(ge=1, le=MAX_EPOCHS), _setting("Save the weights every this many epochs.", advanced=True)
    ] = 10
    eval_period: Annotated[
        int, Field(ge=1, le=MAX_EPOCHS), _setting("Compute mAP every this many epochs.", advanced=True)
    ] = 5
    num_workers: Annotated[
        int,
        Field(ge=0, le=64),
        _setting("Threads that load images; 0 loads them between the steps.", advanced=True),
    ] = 4
    threads: Annotated[
        Threads,
        _setting(
            "Threads that compute on the processor. auto: one for each core. adapt: fewer while other programs use the cores; a resumed run "
            "may then differ in its last bits.",
            advanced=True,
        ),
    ] = "auto"
    seed: Annotated[
        int, Field(ge=0, le=2**32 - 1), _setting("Random seed: the same seed gives the same training.", advanced=True)
    ] = 11

    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"], _setting("Device to train on; auto takes the best one.")
    ] = "auto"
    devices: Annotated[
        tuple[Annotated[int, Field(ge=0, le=1023)], ...],
        _setting(
            "Graphics cards to train on: [1] is cuda:1. Empty: all usable ones with parallel, else the one with most free memory.",
            advanced=True,
        ),
    ] = ()
    parallel: Annotated[
        Parallel,
        _setting("Several graphics cards: ddp trains with one process per card; dp with one process for all, slower."),
    ] = "none"
    sync_bn: Annotated[
        bool,
        _setting(
            "Batch norm over the images of all graphics cards, for few images per card; needs parallel=ddp.",
            advanced=True,
        ),
    ] = False
    precision: Annotated[
        Precision,
        _setting("16-bit halves the memory; auto uses it where the device computes well in it.", advanced=True),
    ] = "auto"

    @property
    def start(self) -> Literal["whole", "backbone", "scratch"]:
        """What the training starts from."""
        return "whole" if self.model_path else "backbone" if self.pretrained else "scratch"

    def relevant_settings(self) -> dict[str, Any]:
        """The settings that this recipe's method reads, in the order of their definition."""
        return {name: getattr(self, name) for name in type(self).model_fields if is_read_by(name, self.method)}


def is_read_by(name: str, method: str) -> bool:
    """Whether `method` reads the setting `name`."""
    extra = Recipe.model_fields[name].json_schema_extra
    only = extra.get("only") if isinstance(extra, dict) else None
    return only is None or only == method


def apply_method_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` with the defaults that depend on other settings: those of the tutorial method, learning rates, and the input
    shape of the network.
    """
    filled = dict(settings)
    if filled.get("method") == "tutorial":
        tutorial = {
            "network": "yolov4", "freeze_epoch": 50, "freeze_batch_size": 8, "unfreeze_epoch": 300, "unfreeze_batch_size": 4,
            "optimizer_type": "sgd", "momentum": 0.937, "ema": False, "eval_period": 10,
        }  # fmt: skip
        filled = tutorial | filled
        filled.setdefault("init_lr", 1e-2 if filled["optimizer_type"] == "sgd" else 1e-3)
        min_lr_ratio = 0.01
    else:
        filled.setdefault("init_lr", 1e-2 if filled.get("optimizer_type") == "sgd" else 2e-3)
        min_lr_ratio = 0.05
    if "min_lr" not in filled and isinstance(filled["init_lr"], int | float):
        filled["min_lr"] = min_lr_ratio * filled["init_lr"]
    spec = NETWORKS.get(str(filled.get("network", Recipe.model_fields["network"].default)))
    if spec is not None:
        filled.setdefault("input_shape", spec.input_shape)
    return filled
