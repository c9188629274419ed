"""Where in the next frame a face is looked for, by the way its detector searches."""

import numpy as np

from diffmvr.preprocessing.detection import (
    Detections,
    Detector,
    MediapipeFaces,
    NearestFace,
    Search,
)
from diffmvr.preprocessing.face import boxes_around
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.structures import FloatArray, UInt8Array

WINDOW_SCALE = 2.0
"""Side of the square that is searched for a face that was seen before, in faces."""


def find_faces(faces: Detector, frame: Frame, square: FloatArray | None) -> Detections:
    """Look in the whole frame, or around the face that was seen before.

    Args:
        faces: finds faces.
        frame: the next frame.
        square: ``[3]``, centre (x, y) and side of the face as last seen; ``None`` if none was.
    """
    faces.seek(frame.index)
    if square is None or faces.search is Search.NUMBER:
        return faces.detect(frame.image)
    if faces.search is Search.LANDMARKS:
        return Detections.none()
    x, y, side = square
    height, width = frame.image.shape[:2]
    reach = WINDOW_SCALE * side / 2
    x0, y0 = max(int(x - reach), 0), max(int(y - reach), 0)
    x1, y1 = min(int(x + reach) + 1, width), min(int(y + reach) + 1, height)
    if x1 <= x0 or y1 <= y0:
        return Detections.none()
    found = faces.detect(frame.image[y0:y1, x0:x1])
    return Detections(found.boxes + np.array([x0, y0, x0, y0]), found.scores)


def find_all(faces: Detector, image: UInt8Array) -> FloatArray:
    """Return the boxes ``[K, 4]`` of all faces of a picture, from left to right.

    Args:
        faces: finds faces; it forgets the video.
        image: ``[H, W, 3]`` uint8 RGB.
    """
    if isinstance(faces, NearestFace):
        faces = faces.faces
    if faces.search is Search.NUMBER:
        return np.empty((0, 4))
    faces.close()
    if isinstance(faces, MediapipeFaces):
        several = [one.points for one in faces.landmarker.find_several(image)]
        boxes = boxes_around(np.array(several)) if several else np.empty((0, 4))
    else:
        boxes = faces.detect(image).boxes
    faces.close()
    return np.asarray(boxes[np.argsort(boxes[:, 0])])


def find_anywhere(faces: Detector, frame: Frame) -> Detections:
    """Look in the whole frame for a face that was lost; who knows frames by number has told all."""
    if faces.search is Search.NUMBER:
        return Detections.none()
    return faces.detect(frame.image)
