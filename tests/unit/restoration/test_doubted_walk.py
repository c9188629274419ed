"""The walk shows each hidden frame to a judge, and does as the judge says."""

from pathlib import Path

import numpy as np
import pytest
from tests.helpers.doubt import plain_model
from tests.helpers.recordings import box_masks, moving_frames
from tests.unit.restoration.test_recording import GuidePasser, run

from diffmvr.doubt.judge import CalibratedJudge
from diffmvr.doubt.judgement import Judged
from diffmvr.doubt.sight import Sight
from diffmvr.restoration.parts import PartWriter, read_part
from diffmvr.restoration.report import RestoredFrame
from diffmvr.structures import PastSelection

COUNT, ARRIVAL = 6, 2
FRAMES = moving_frames(COUNT)
MASKS = box_masks(COUNT, arrival=ARRIVAL)


class Watching(CalibratedJudge):
    """Judges as a plain model does, and keeps what it saw."""

    def __init__(self, abstain: float | None = None) -> None:
        super().__init__(plain_model(), abstain=abstain)
        self.seen: dict[int, Sight] = {}

    def __call__(self, sight: Sight) -> Judged:
        """Keep a sight and judge it."""
        self.seen[sight.index] = sight
        return super().__call__(sight)


def judged(
    judge: CalibratedJudge, masks: np.ndarray = MASKS, select: str = "bank", **options: str
) -> list[RestoredFrame]:
    past = PastSelection(select=select)
    return run(GuidePasser(), masks, FRAMES, judge=judge, past=past, **options)


@pytest.fixture(scope="module")
def watched() -> tuple[Watching, list[RestoredFrame]]:
    """Four hidden frames after two clear ones, judged."""
    judge = Watching()
    return judge, judged(judge)


def test_every_hidden_frame_is_judged_by_what_was_seen_before_it(
    watched: tuple[Watching, list[RestoredFrame]],
) -> None:
    judge, results = watched
    assert sorted(judge.seen) == list(range(ARRIVAL, COUNT))
    for result in results[:ARRIVAL]:
        assert result.record.doubt is None and result.doubt is None
    for index, sight in judge.seen.items():
        doubt = results[index].record.doubt
        # 25 frames a second; the newest clear frame is the one before the mask arrives.
        assert sight.age == pytest.approx((index - ARRIVAL + 1) / 25)
        assert doubt is not None and doubt.age == pytest.approx(sight.age)
        assert 0 < sight.hidden_share <= 1
        assert sight.evidence.mask.any()


def test_a_sight_shows_the_restored_frame_where_its_matrix_says(
    watched: tuple[Watching, list[RestoredFrame]],
) -> None:
    judge, results = watched
    sight = judge.seen[ARRIVAL]
    restored = results[ARRIVAL].restored.image.astype(float)
    row, column = np.argwhere(sight.evidence.mask != 0).mean(axis=0).astype(int)
    at = np.linalg.inv(sight.matrix[:, :2]) @ (np.array([column, row]) - sight.matrix[:, 2])
    x, y = np.rint(at).astype(int)
    assert np.abs(restored[y, x] - sight.filled[row, column]).max() <= 25
    assert results[ARRIVAL].mask[y, x]
    assert results[ARRIVAL].doubt.in_frame((72, 96))[y, x] > 0


def test_frames_that_are_too_doubtful_keep_what_hides_them() -> None:
    for shown_as in ("occluder", "grey"):
        results = judged(CalibratedJudge(plain_model(), abstain=0.5), abstained=shown_as)
        for result in results[ARRIVAL:]:
            assert result.record.doubt.abstained
            hidden = result.mask != 0
            shown, before = result.restored.image, result.observed.image
            np.testing.assert_array_equal(shown[~hidden], before[~hidden])
            if shown_as == "occluder":
                np.testing.assert_array_equal(shown, before)
            else:
                assert (shown[hidden] == 150).all()


def test_before_the_first_clear_view_nothing_can_be_told() -> None:
    masks = MASKS[::-1].copy()
    results = judged(CalibratedJudge(plain_model(), abstain=250.0), masks)
    for result in results[: COUNT - ARRIVAL]:
        doubt = result.record.doubt
        assert doubt.expected_error is None and doubt.abstained
        assert doubt.why == ("no clear view of the face before this moment",)


def test_what_is_said_is_kept_for_an_interrupted_call(
    watched: tuple[Watching, list[RestoredFrame]], tmp_path: Path
) -> None:
    _, results = watched
    writer = PartWriter(tmp_path / "part")
    for result in results:
        writer.add(result)
    part = read_part(writer.finish())
    for result in results:
        record, _, doubt = part[result.record.index]
        assert record == result.record
        assert (doubt == b"") == (result.doubt is None)
        if result.doubt is not None:
            assert doubt == result.doubt.to_bytes()
