"""The user's own word of where the face is: a box, or a point in it."""

from diffmvr.checks import check_shape
from diffmvr.preprocessing.frame_source import VideoInfo
from diffmvr.structures import FloatArray


def check_face_at(at: list[float] | None, info: VideoInfo) -> None:
    """Require a point in the picture.

    Raises:
        ValueError: naming it, and the size of the picture.
    """
    if at is not None and not (at[0] < info.width and at[1] < info.height):
        raise ValueError(
            f"face_at: expected a point in the picture of {info.size} pixels, got {at}; the first "
            "number is from the left, the second from the top"
        )


def check_face_box(box: FloatArray, info: VideoInfo) -> None:
    """Require a box with an area that reaches into the frame.

    Raises:
        ValueError: with the box and the frame's size.
    """
    check_shape("face_box", box, (4,))
    x0, y0, x1, y1 = box
    width, height = info.width, info.height
    reaches_in = x0 < x1 and y0 < y1 and x1 > 0 and y1 > 0 and x0 < width and y0 < height
    # A face may be cut off by the frame's edge; one that is larger than it makes huge crops.
    near = -width <= x0 and x1 <= 2 * width and -height <= y0 and y1 <= 2 * height
    if not (reaches_in and near):
        raise ValueError(
            f"face_box: expected [x0, y0, x1, y1] with x0 < x1 and y0 < y1 that reaches into the "
            f"frame of {info.size}, and out of it by no more than its size, got "
            f"{[float(value) for value in box]}"
        )
