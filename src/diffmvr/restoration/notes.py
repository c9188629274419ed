"""What the reader of a report should know of a restoration as a whole, in plain words."""

from collections.abc import Mapping, Sequence

import numpy as np

from diffmvr.restoration.report import FrameRecord
from diffmvr.restoration.scene_plan import NO_FACE


def recording_notes(records: Sequence[FrameRecord], mask: str, promised: int | None) -> list[str]:
    """Say what is odd about a recording and its masks.

    Args:
        records: one for each frame.
        mask: name of the masks.
        promised: how many frames the container promises, if it does.
    """
    notes = []
    share = np.array([record.mask_share for record in records])
    if share.max(initial=0) == 0:
        notes.append(f"the mask ({mask}) is empty in every frame: the output equals the input")
    elif np.median(share) > 0.5:
        notes.append(
            f"the mask hides {np.median(share):.0%} of the median frame; if that is not meant, "
            "it may be inverted (non-zero means hidden)"
        )
    if promised not in (None, len(records)):
        notes.append(f"the container promises {promised} frames and shows {len(records)}")
    hidden = [record for record in records if record.restored]
    faceless = sum(record.region_source == NO_FACE for record in hidden)
    if faceless:
        notes.append(
            f"no face was found in {faceless} of {len(hidden)} hidden frames: their holes show "
            "what stood still there before, or are filled from the rim, without the model; "
            "face_box=[x0,y0,x1,y1] tells where the face is, and landmarker=PATH finds it better"
        )
    cut = sum(record.beyond == "cut" for record in hidden)
    if cut:
        notes.append(
            f"in {cut} of {len(hidden)} hidden frames what hides the face was not found beyond the "
            "square around the face, and is cut off there; give mask=VIDEO that hides all of it"
        )
    return notes


def unled_notes(records: Sequence[FrameRecord], weight: float) -> list[str]:
    """Say if there are frames that no clear frame came before, and what they show.

    Args:
        records: one for each frame.
        weight: share of the model's correction that is taken in such frames.
    """
    restored = [record for record in records if record.restored]
    count = sum(record.guide_valid.get("past") is False for record in restored)
    if not count:
        return []
    shown = "are a guess without it"
    if weight == 0:
        shown = "show what surrounds the hole, not the face"
    elif weight < 1:
        shown = f"show what surrounds the hole, and {weight:.0%} of the model's guess at the face"
    return [
        f"{count} of {len(restored)} restored frames have no clear frame before them and {shown}; "
        "begin where the face is clear, or give a picture of it as guides.past"
    ]


def doubt_notes(
    records: Sequence[FrameRecord],
    abstain: float | None,
    calibrated: Mapping[str, str] | None,
    weights: Mapping[str, str],
) -> list[str]:
    """Say how many frames are not restored, and what the calibration of doubt does not cover.

    Args:
        records: one for each frame.
        abstain: the largest expected error, in grey levels, with which a frame is restored.
        calibrated: hashes of the model that doubt was calibrated with; ``None``: nobody says how
            sure frames are.
        weights: hashes of the model that restored; empty for one in memory.
    """
    notes = []
    doubts = [record.doubt for record in records if record.doubt is not None]
    withheld = sum(doubt.abstained for doubt in doubts)
    if withheld:
        notes.append(
            f"{withheld} of {len(doubts)} hidden frames are not restored: their expected error is "
            f"above abstain={abstain:g} grey levels, or cannot be told; each frame's row says why"
        )
    if calibrated and weights and doubts and dict(calibrated) != dict(weights):
        notes.append(
            "doubt was calibrated with another model than the one that restored: its intervals may "
            "hold the truth less often than promised; calibrate it anew"
        )
    return notes


def picture_notes(shots: int, strangers: Sequence[int]) -> list[str]:
    """Say whom the user's own pictures of a person have led, where that is not plain.

    Args:
        shots: how many shots show a face.
        strangers: numbers of the frames from which on another face is seen in the same shot.
    """
    notes = []
    if shots > 1:
        notes.append(
            f"guides.past: a face is seen in {shots} shots, and the pictures lead the first face "
            "of each; that it is the same person is not checked"
        )
    if strangers:
        more = f" and {len(strangers) - 3} more" if len(strangers) > 3 else ""
        notes.append(
            "guides.past: the face that is seen elsewhere from frame "
            f"{', '.join(map(str, strangers[:3]))}{more} on is taken for another person's, and the "
            "pictures do not lead it; restore those frames as a recording of their own if they "
            "should"
        )
    return notes
