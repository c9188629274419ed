"""Who is in the clip."""

import cv2
import numpy as np

from diffmvr.data.synthetic import render_clip
from diffmvr.data.synthetic.identity import SKIN_NAMES, sample_identity


def test_identity_depends_on_seed_and_subject_alone():
    assert sample_identity(3, 7) == sample_identity(3, 7)
    assert sample_identity(3, 7) != sample_identity(3, 8)
    assert sample_identity(3, 7) != sample_identity(4, 7)


def test_skin_tones_cover_the_range_evenly():
    people = [sample_identity(0, subject) for subject in range(700)]
    counts = [sum(p.skin_name == name for p in people) for name in SKIN_NAMES]
    assert min(counts) > 60
    lightness = np.array([np.dot(p.skin, (0.299, 0.587, 0.114)) for p in people])
    tone = np.array([p.skin_tone for p in people])
    assert lightness.max() > 205
    assert lightness.min() < 70
    assert np.corrcoef(lightness, tone)[0, 1] < -0.98


def test_most_faces_have_a_mark_and_marks_take_both_sides():
    marks = [sample_identity(0, subject).marks for subject in range(300)]
    assert np.mean([bool(m) for m in marks]) > 0.6
    sides = [np.sign(mark.x) for group in marks for mark in group]
    assert 0.4 < np.mean([s > 0 for s in sides]) < 0.6
    assert {mark.kind for group in marks for mark in group} == {
        "mole",
        "birthmark",
        "plaster",
        "tube",
    }


def test_clips_of_a_subject_share_the_skin():
    # The lighting differs, the chromaticity of the forehead hardly does.
    def chroma(subject: int, clip: int) -> np.ndarray:
        rendered = render_clip(0, subject, clip, occluded=False)
        x, y = np.rint(rendered.landmarks[0, 1]).astype(int)
        patch = rendered.frames[0, y - 1 : y + 2, x - 1 : x + 2].reshape(1, -1, 3)
        return cv2.cvtColor(patch, cv2.COLOR_RGB2LAB).reshape(-1, 3)[:, 1:].mean(axis=0)

    for subject in range(5):
        assert np.abs(chroma(subject, 0) - chroma(subject, 1)).max() < 14


def test_a_mirror_alone_is_not_the_truth():
    # Asymmetric marks: the face differs from its own mirror image about the exact midline.
    differences = []
    for subject in range(8):
        clip = render_clip(0, subject, 0, occluded=False)
        x, y, cos, sin = clip.track.midline[0]
        mirror = np.array([[cos**2 - sin**2, 2 * cos * sin], [2 * cos * sin, sin**2 - cos**2]])
        shift = np.array([x, y]) - mirror @ np.array([x, y])
        flipped = cv2.warpAffine(clip.frames[0], np.column_stack([mirror, shift]), (64, 64))
        x0, y0, x1, y1 = np.rint(clip.track.face_box[0]).astype(int)
        window = (slice(y0 + 4, y1 - 4), slice(x0 + 6, x1 - 6))
        differences.append(np.abs(clip.frames[0][window].astype(float) - flipped[window]).mean())
    assert np.mean(differences) > 4.0
