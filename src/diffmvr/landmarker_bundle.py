"""Where MediaPipe's Face Landmarker bundle is looked for, by every command."""

import os
from pathlib import Path

from diffmvr.published_weights import COMMAND, published_weights

BUNDLE_NAME = "face_landmarker.task"
BUNDLE_VARIABLE = "DIFFMVR_FACE_LANDMARKER"
SHARED_VARIABLE = "DIFFMVR_SHARED"


def find_landmarker_bundle(path: str | None = None) -> Path | None:
    """Find the bundle: the one that is named, else one where bundles lie.

    Named by the given path, then by the environment: ``DIFFMVR_FACE_LANDMARKER`` is a file.  Where
    bundles lie: ``models/`` in the folder ``DIFFMVR_SHARED``, and where ``python -m diffmvr.weights
    get face_landmarker`` puts it, ``weights/`` beside where a command runs.

    Args:
        path: an explicit path, which must exist, or ``None``.

    Returns:
        The path, or ``None`` if nothing was named and none lies there.

    Raises:
        FileNotFoundError: if a named file does not exist.
    """
    named = {"landmarker": path, BUNDLE_VARIABLE: os.environ.get(BUNDLE_VARIABLE)}
    for source, value in named.items():
        if value:
            if not Path(value).is_file():
                raise FileNotFoundError(
                    f"{source}: no Face Landmarker bundle at {value}; give the path of "
                    f"{BUNDLE_NAME} (`{COMMAND} where face_landmarker` tells how it comes here), "
                    "or leave it out to do without landmarks"
                )
            return Path(value)
    shared = os.environ.get(SHARED_VARIABLE)
    places = [Path(shared) / "models" / BUNDLE_NAME] if shared else []
    places.append(published_weights()["face_landmarker"].place)
    return next((place for place in places if place.is_file()), None)
