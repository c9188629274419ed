"""Where the head is: smooth pose over time and the projection of head points to the frame.

Frame coordinates are shares of the frame's side, (0, 0) the outer corner of the first pixel, so
that a scene is the same at every size.
"""

from dataclasses import dataclass

import numpy as np

from diffmvr.data.synthetic.rng import FloatArray, smooth_path


@dataclass(frozen=True)
class HeadPose:
    """The head's pose in each of T frames.

    Attributes:
        yaw: ``[T]`` radians, positive when the face turns to the image's right.
        pitch: ``[T]`` radians, positive when it looks down.
        roll: ``[T]`` radians, positive clockwise in the image.
        scale: ``[T]`` distance between the eye centres as a share of the frame's side.
        centre: ``[T, 2]`` frame coordinates of the point between the eyes at yaw = pitch = 0.
    """

    yaw: FloatArray
    pitch: FloatArray
    roll: FloatArray
    scale: FloatArray
    centre: FloatArray

    def __len__(self) -> int:
        return len(self.yaw)

    def project(self, points: FloatArray, *, silhouette: bool = False) -> FloatArray:
        """Project head points by a scaled orthographic camera.

        Args:
            points: ``[T, N, 3]`` head coordinates.
            silhouette: whether these are outline points, which a turn shifts by their depth but
                does not foreshorten: as the head turns, others take their place.

        Returns:
            ``[T, N, 2]`` frame coordinates.
        """
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        sin_yaw, cos_yaw = np.sin(self.yaw)[:, None], np.cos(self.yaw)[:, None]
        sin_pitch, cos_pitch = np.sin(self.pitch)[:, None], np.cos(self.pitch)[:, None]
        if silhouette:
            turned_x, turned_y = x + z * sin_yaw, y + z * sin_pitch
        else:
            turned_x = x * cos_yaw + z * sin_yaw
            turned_y = y * cos_pitch + (z * cos_yaw - x * sin_yaw) * sin_pitch
        sin_roll, cos_roll = np.sin(self.roll)[:, None], np.cos(self.roll)[:, None]
        scale = self.scale[:, None]
        return np.stack(
            [
                self.centre[:, None, 0] + scale * (cos_roll * turned_x - sin_roll * turned_y),
                self.centre[:, None, 1] + scale * (sin_roll * turned_x + cos_roll * turned_y),
            ],
            axis=-1,
        )


def sample_pose(rng: np.random.Generator, frames: int) -> HeadPose:
    """Draw a smooth head motion: a resting pose per clip and the turns about it.

    The frames are a quarter of a second apart, so that a clip of 16 shows four seconds: time for an
    infant to turn its head or to toss it.
    """
    path = smooth_path(rng, frames, 3.2, 6)
    liveliness = rng.uniform(0.4, 1.1)
    yaw = rng.normal(0.0, 0.14) + 0.5 * liveliness * path[:, 0]
    pitch = rng.normal(0.0, 0.06) + 0.16 * liveliness * path[:, 1]
    roll = rng.normal(0.0, 0.09) + 0.3 * liveliness * path[:, 2]
    scale = rng.uniform(0.2, 0.232) * (1.0 + 0.08 * liveliness * path[:, 3])
    centre = (
        np.array([0.5, 0.5]) + rng.uniform(-0.035, 0.035, 2) + 0.085 * liveliness * path[:, 4:6]
    )
    # A turned face shifts towards where it looks; the head itself stays about the middle.
    centre = centre - 0.35 * scale[:, None] * np.stack([np.sin(yaw), np.sin(pitch)], axis=1)
    return HeadPose(
        yaw=np.clip(yaw, -0.65, 0.65),
        pitch=np.clip(pitch, -0.25, 0.25),
        roll=np.clip(roll, -0.5, 0.5),
        scale=scale,
        centre=centre,
    )
