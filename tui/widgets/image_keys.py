"""The keys of images with detections, for screens and dialogs that show them."""

from __future__ import annotations

from textual.binding import Binding, BindingType
from textual.screen import Screen

from tui.text import N_, _
from tui.widgets.detection_images import DetectionImages

IMAGE_BINDINGS: list[BindingType] = [
    Binding("plus,equals_sign", "change_threshold(1)", N_("threshold"), key_display="+/-"),
    Binding("minus", "change_threshold(-1)", N_("threshold"), show=False),
    Binding("t", "flip_labels", N_("labels")),
    Binding("s", "save_image", N_("save image")),
]


class ImageKeys(Screen[None]):
    """A screen with the keys of `IMAGE_BINDINGS`, which act on the images that are shown."""

    def shown_images(self) -> DetectionImages | None:
        """The images that the keys act on."""
        return None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether a key does something now; one that does not is not shown."""
        images = self.shown_images()
        match action:
            case "change_threshold":
                return images is not None and images.has_images
            case "flip_labels":
                return images is not None and images.can_flip
            case "save_image":
                return images is not None and images.can_save
        return super().check_action(action, parameters)

    def action_change_threshold(self, steps: int) -> None:
        """Draw fewer or more boxes."""
        if (images := self.shown_images()) is not None:
            images.change_threshold(steps)

    def action_flip_labels(self) -> None:
        """Show the labels instead of the detections, or the other way round."""
        if (images := self.shown_images()) is not None:
            images.flip()

    def action_save_image(self) -> None:
        """Save the image with its boxes."""
        if (images := self.shown_images()) is not None:
            images.save()


def image_keys_help() -> str:
    """What the keys do, for F1."""
    return _(
        "Each box has the class and the confidence of the detection. + and - change the threshold, which is the confidence from "
        "which boxes are drawn; at most the 30 strongest boxes are drawn. A detection is correct if it overlaps an object of its "
        "class by at least half. The labels are beside the detections where the window is wide; otherwise T shows them. S saves "
        "the image in full resolution, with all its boxes from the threshold on."
    )
