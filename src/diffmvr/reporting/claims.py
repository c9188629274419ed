"""The paper's claims as comparisons of experiments (paper 4.4 and 4.6)."""

from collections.abc import Sequence

from diffmvr.reporting.differences import Entry, Study
from diffmvr.reporting.paper_tables import HOLE, SSIM, TC, hole_columns, table_columns
from diffmvr.reporting.tables import Column
from diffmvr.reporting.verdicts import Claim

OURS = "dual_motion"
BY_METRIC = {column.metric: column for column in HOLE}
FIDELITY = (BY_METRIC["psnr_hole"], BY_METRIC["ssim_hole"], SSIM)
STEADINESS = (BY_METRIC["tc_diff"], BY_METRIC["warp_error_hole"])


def paper_claims(
    study: Study, product: str, learned: Sequence[str], floor: Sequence[str]
) -> list[Claim]:
    """Return every claim as pairs of experiments.

    Args:
        study: the scores; it says which kinds of masks and which scores there are.
        product: restorer of the model that ships, which is ours and not the paper's.
        learned: rivals that were trained.
        floor: rivals that were not.
    """
    scores = table_columns(study, 2)
    hole = hole_columns(study)
    claims = [
        Claim(
            f"Both guides are better than {words} alone (Table 3).",
            _everywhere(study, OURS, other),
            scores,
            hole,
        )
        for words, other in (
            ("the mirrored frame", "symmetric_motion"),
            ("the past frame", "motion"),
            ("the present frame", "present_motion"),
        )
    ]
    with_loss = (("motion", "baseline"), (OURS, "dual"))
    pairs = tuple(pair for a, b in with_loss for pair in _everywhere(study, a, b))
    fidelity = tuple(c for c in (*table_columns(study, 1)[:1], *FIDELITY) if study.has(c.metric))
    steadiness = tuple(column for column in STEADINESS if study.has(column.metric))
    claims += [
        Claim("The motion loss lowers TC (Table 4).", pairs, (TC,), steadiness),
        Claim(
            "The motion loss brings the motion nearer to the true one (ours, not the paper's).",
            pairs,
            steadiness,
            (TC,),
        ),
        Claim(
            "The motion loss does not cost fidelity (a tie: no cost was seen).",
            pairs,
            _unique(fidelity),
        ),
        Claim(
            "Both together help most (Table 4).",
            tuple(
                pair
                for other in ("baseline", "dual", "motion")
                for pair in _everywhere(study, OURS, other)
            ),
            scores,
            hole,
        ),
        Claim(
            "Segmented masks are better than boxes (Tables 1 and 2); the holes differ, so this "
            "compares two tasks.",
            tuple((Entry(name, "segmentation"), Entry(name, "bbox")) for name in (OURS, product)),
            scores,
            hole,
        ),
    ]
    for name, words in ((OURS, "DiffMVR as in the paper"), (product, "The model that ships")):
        claims += [
            Claim(
                f"{words} is better than {whom} (Tables 1 and 2).",
                tuple(pair for other in rivals for pair in _everywhere(study, name, other)),
                scores,
                hole,
            )
            for whom, rivals in (("the learned rivals", learned), ("the floor", floor))
        ]
    return claims


def _everywhere(study: Study, first: str, second: str) -> tuple[tuple[Entry, Entry], ...]:
    return tuple((Entry(first, mask), Entry(second, mask)) for mask in study.mask_types)


def _unique(columns: Sequence[Column]) -> tuple[Column, ...]:
    return tuple({column.metric: column for column in columns}.values())
