"""Captions say what is in the frame, and nothing that cannot be seen in it."""

import numpy as np

from diffmvr.data.synthetic import EXPRESSION_NAMES, render_clip
from diffmvr.data.synthetic.identity import sample_identity


def test_occluders_are_named_exactly_where_they_are():
    for subject in range(6):
        clip = render_clip(0, subject, 0)
        things = ("hand", "tube", "blanket")
        for t, caption in enumerate(clip.caption):
            named = any(
                f"{thing} {verb}" in caption
                or f"by a {thing}" in caption
                or f"{thing} over" in caption
                for thing in ("skinned hand", "taped tube", "a blanket")
                for verb in ("covers", "over")
            ) or any(
                f"hidden by a {word}" in caption
                for word in ("taped", "blanket", "light", "brown", "dark")
            )
            assert named == bool(clip.mask[t].any()), (things, caption)
            assert "hidden by" not in clip.clean_caption[t]


def test_clean_captions_follow_the_expression():
    eyes = EXPRESSION_NAMES.index("eye_open")
    for subject in range(6):
        identity = sample_identity(0, subject)
        clip = render_clip(0, subject, 0)
        for t, caption in enumerate(clip.clean_caption):
            assert f"{identity.skin_name} skin" in caption
            is_open = clip.expression[t, eyes] >= 0.15
            assert (f"{identity.iris_name} eyes" in caption) == is_open
            assert caption.count("mole") >= sum(m.kind == "mole" for m in identity.marks)


def test_hidden_eyes_are_not_described():
    found = 0
    for subject in range(30):
        clip = render_clip(0, subject, 0)
        identity = sample_identity(0, subject)
        for t in np.flatnonzero(clip.mask.any(axis=(1, 2))):
            if "left eye" in clip.caption[t] and "right eye" in clip.caption[t]:
                found += 1
                assert f"{identity.iris_name} eyes" not in clip.caption[t]
    assert found > 0


def test_wording_varies():
    captions = {c for s in range(8) for c in render_clip(0, s, 0).clean_caption}
    assert len(captions) > 80
