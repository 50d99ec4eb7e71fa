"""Every parameter of a training, in one immutable, validated model.

Names are the tutorials' own in snake_case. What a parameter means, its bounds, its default for each method and the method
that reads it are said here once; forms, help texts and documents are made from this model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from engine.recipe.rules import broken_rules

Network = Literal["yolov4", "yolov4-tiny"]
Method = Literal["modern", "tutorial"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
LEAST_BATCH = 2
"""Batch norm cannot train on one image."""
BatchSize = Annotated[int, Field(ge=LEAST_BATCH)] | Literal["auto"]
Fraction = Annotated[float, Field(ge=0, le=1)]
AnchorSize = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]

COCO = "coco"
"""As `model_path`: the official COCO weights of the network that is chosen."""


def _setting(description: str, *, only: Method | None = None, advanced: bool = False) -> Any:
    """A field's description, the one method that reads it (None: both), and whether a beginner should see it."""
    return Field(description=description, json_schema_extra={"only": only, "advanced": advanced})


class Recipe(BaseModel):
    """Every parameter of a training. Build one with `make_recipe` or `load_recipe`, which report all errors at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, protected_namespaces=(), allow_inf_nan=False)

    format_version: Annotated[Literal[1], _setting("Version of the recipe's format.", advanced=True)] = 1
    network: Annotated[Network, _setting("yolov4-tiny trains ten times faster, yolov4 detects better.")] = "yolov4-tiny"
    method: Annotated[
        Method, _setting("modern learns faster; tutorial is the tutorials' own loss and learning rates.")
    ] = "modern"
    model_path: Annotated[
        str,
        _setting("Weights of the whole network to start from: a file, or 'coco' for the official ones. Empty: none."),
    ] = COCO
    pretrained: Annotated[
        bool, _setting("Start from backbone weights only. Without meaning where model_path is set.")
    ] = False
    input_shape: Annotated[
        tuple[Annotated[int, Field(ge=32, multiple_of=32)], Annotated[int, Field(ge=32, multiple_of=32)]],
        _setting(
            "Height and width the network sees, multiples of 32; larger finds smaller objects and needs more memory."
        ),
    ] = (416, 416)
    anchors: Annotated[
        Literal["network"] | tuple[AnchorSize, ...],
        _setting(
            "Anchor sizes in pixels of the input, smallest first; 'network' keeps those of the weights.", advanced=True
        ),
    ] = "network"

    init_epoch: Annotated[
        int, Field(ge=0), _setting("Epoch to start from; beyond freeze_epoch it skips the freeze stage.", advanced=True)
    ] = 0
    freeze_train: Annotated[bool, _setting("Train with the backbone frozen first; off when starting from scratch.")] = (
        True
    )
    freeze_epoch: Annotated[int, Field(ge=1), _setting("The epoch at which the freeze stage ends.")] = 3
    freeze_batch_size: Annotated[
        BatchSize, _setting("Images per step in the freeze stage: 1 to 2 times unfreeze_batch_size.")
    ] = 16
    unfreeze_epoch: Annotated[int, Field(ge=1), _setting("The total number of epochs.")] = 50
    unfreeze_batch_size: Annotated[
        BatchSize, _setting("Images per step once everything trains; as large as memory allows, at least 2.")
    ] = 8
    accumulate: Annotated[
        int,
        Field(ge=1, le=64),
        _setting("Gradients of this many batches make one step: a larger batch in the same memory.", advanced=True),
    ] = 1

    optimizer_type: Annotated[Literal["sgd", "adam", "adamw"], _setting("sgd (Nesterov), adam or adamw.")] = "adamw"
    momentum: Annotated[float, Field(ge=0, lt=1), _setting("SGD's momentum, Adam's beta1.", advanced=True)] = 0.9
    weight_decay: Annotated[
        float, Field(ge=0, le=0.1), _setting("Pulls weights towards zero; with adam it should be 0.", advanced=True)
    ] = 5e-4
    init_lr: Annotated[
        float, Field(gt=0, le=1), _setting("The largest learning rate; the tutorial method fits it to the batch size.")
    ] = 2e-3
    min_lr: Annotated[float, Field(ge=0, le=1), _setting("The learning rate at the end.", advanced=True)] = 1e-4
    lr_decay_type: Annotated[
        Literal["cos", "step"], _setting("How the learning rate falls.", only="tutorial", advanced=True)
    ] = "cos"

    mosaic: Annotated[
        bool, _setting("Show four images in one, so that more objects and scales are seen per step.", advanced=True)
    ] = True
    mosaic_prob: Annotated[Fraction, _setting("How often a sample is a mosaic.", advanced=True)] = 0.5
    mixup: Annotated[bool, _setting("Blend another image over a mosaic.", advanced=True)] = True
    mixup_prob: Annotated[Fraction, _setting("How often a mosaic is mixed up.", advanced=True)] = 0.5
    special_aug_ratio: Annotated[
        Fraction, _setting("Mosaic only in this leading part of all epochs.", advanced=True)
    ] = 0.7
    label_smoothing: Annotated[
        float, Field(ge=0, le=0.1), _setting("Softens the class targets; 0.01 or less.", advanced=True)
    ] = 0.0
    focal_loss: Annotated[
        bool,
        _setting("Objectness focal loss, for many more background than object cells.", only="tutorial", advanced=True),
    ] = False
    focal_alpha: Annotated[
        Fraction, _setting("Weight of the positives in the focal loss.", only="tutorial", advanced=True)
    ] = 0.25
    focal_gamma: Annotated[
        float,
        Field(ge=0, le=5),
        _setting("How much easy cells count less in the focal loss.", only="tutorial", advanced=True),
    ] = 2.0
    iou_type: Annotated[Literal["ciou", "siou"], _setting("The box loss.", only="tutorial", advanced=True)] = "ciou"
    ema: Annotated[bool, _setting("Keep a running mean of the weights, and evaluate and save that.", advanced=True)] = (
        True
    )

    save_period: Annotated[int, Field(ge=1), _setting("Keep weights every so many epochs.", advanced=True)] = 10
    eval_period: Annotated[int, Field(ge=1), _setting("Measure mAP every so many epochs.", advanced=True)] = 5
    num_workers: Annotated[
        int,
        Field(ge=0, le=64),
        _setting("Threads that prepare images; 0 prepares them between the steps.", advanced=True),
    ] = 4
    seed: Annotated[
        int, Field(ge=0, le=2**32 - 1), _setting("The same seed gives the same training.", advanced=True)
    ] = 11

    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], _setting("What trains: auto takes the best there is.")] = (
        "auto"
    )
    devices: Annotated[
        tuple[Annotated[int, Field(ge=0)], ...],
        _setting("Which GPUs, by number; empty: all of them where parallel, else the first.", advanced=True),
    ] = ()
    precision: Annotated[
        Precision, _setting("16-bit halves the memory; auto takes it where the device does it well.", advanced=True)
    ] = "auto"
    parallel: Annotated[
        Literal["none", "dp", "ddp"], _setting("Several GPUs: one process (dp) or one per GPU (ddp).", advanced=True)
    ] = "none"
    sync_bn: Annotated[bool, _setting("Batch norm over all GPUs' images; with ddp only.", advanced=True)] = False

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_methods_defaults(cls, given: Any) -> Any:
        return with_method_defaults(given) if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _hold_the_rules(self) -> Recipe:
        if broken := broken_rules(self):
            raise PydanticCustomError(
                "recipe_rules", "{text}", {"text": " ".join(map(str, broken)), "messages": broken}
            )
        return self

    @property
    def start(self) -> Literal["whole", "backbone", "scratch"]:
        """What the training starts from."""
        return "whole" if self.model_path else "backbone" if self.pretrained else "scratch"

    def read_settings(self) -> dict[str, Any]:
        """The settings that this recipe's method reads, in the order of their definition."""
        return {name: getattr(self, name) for name in type(self).model_fields if is_read_by(name, self.method)}


def is_read_by(name: str, method: str) -> bool:
    """Whether `method` reads the setting `name`."""
    extra = Recipe.model_fields[name].json_schema_extra
    only = extra.get("only") if isinstance(extra, dict) else None
    return only is None or only == method


def with_method_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults that hang on other settings: the tutorials' own for their method, learning rates by optimizer."""
    filled = dict(given)
    if filled.get("method") == "tutorial":
        tutorial = {
            "network": "yolov4", "freeze_epoch": 50, "freeze_batch_size": 8, "unfreeze_epoch": 300, "unfreeze_batch_size": 4,
            "optimizer_type": "sgd", "momentum": 0.937, "ema": False, "eval_period": 10,
        }  # fmt: skip
        filled = tutorial | filled
        filled.setdefault("init_lr", 1e-2 if filled["optimizer_type"] == "sgd" else 1e-3)
        share_left_at_the_end = 0.01
    else:
        filled.setdefault("init_lr", 1e-2 if filled.get("optimizer_type") == "sgd" else 2e-3)
        share_left_at_the_end = 0.05
    if "min_lr" not in filled and isinstance(filled["init_lr"], int | float):
        filled["min_lr"] = share_left_at_the_end * filled["init_lr"]
    return filled
