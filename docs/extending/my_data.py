"""A data set of one's own: videos named PERSON_NUMBER.mp4, cut close to the face."""

from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from diffmvr.preprocessing.video_io import open_frames
from diffmvr.structures import Clip, FaceTrack


class FaceVideos:
    """One clip of each video; a bar hides the mouth in its second half.

    Args:
        folder: of the videos.
        num_frames: frames of a clip.
        size: side of the square frames in pixels.
    """

    def __init__(self, folder: str, num_frames: int = 16, size: int = 64) -> None:
        self.videos = sorted(Path(folder).glob("*.mp4"))
        if not self.videos:
            raise ValueError(
                f"folder: expected videos named PERSON_NUMBER.mp4, found none: {folder}"
            )
        self.num_frames, self.size = num_frames, size
        # What every source tells without reading a clip.
        self.subject_ids = [path.stem.split("_")[0] for path in self.videos]
        self.test_people: tuple[str, ...] = ()
        self.description = f"{len(self.videos)} videos of faces"

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> Clip:
        side, count = self.size, self.num_frames
        read = [frame.image for frame in islice(open_frames(self.videos[index]), count)]
        frames = np.stack([np.asarray(cv2.resize(image, (side, side))) for image in read])
        mask = np.zeros(frames.shape[:3], np.uint8)
        mask[len(mask) // 2 :, round(0.6 * side) : round(0.85 * side)] = 1
        middle = side / 2
        # The face fills the picture: its box, the line down its middle, and its place and scale.
        track = FaceTrack(
            face_box=np.tile([0.0, 0.0, side - 1.0, side - 1.0], (len(mask), 1)),
            midline=np.tile([middle, middle, 0.0, 1.0], (len(mask), 1)),
            similarity=np.tile(
                [[0.3 * side, 0, middle], [0, 0.3 * side, middle]], (len(mask), 1, 1)
            ),
            axis_source=("box",) * len(mask),
        )
        observed = np.where(mask[..., None] == 1, np.uint8(128), frames)
        name = self.videos[index].stem
        return Clip(
            name, self.subject_ids[index], observed, mask, track, frames, np.arange(len(mask))
        )
