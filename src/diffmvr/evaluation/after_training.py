"""What is scored after a training, known and tried before it."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from diffmvr.baselines import get_restorers
from diffmvr.checks import check_count
from diffmvr.data.datamodule import ClipDataModule
from diffmvr.data.sources import ClipSource
from diffmvr.data.splits import first_clips
from diffmvr.evaluation.benchmark import Scoring
from diffmvr.structures import Clip, Restorer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoringPlan:
    """Whom a trained model is compared with, and on which clips.

    Attributes:
        restorers: the others.
        indices: of the clips in ``source``.
        source: the clips.
    """

    restorers: Sequence[Restorer]
    indices: Sequence[int]
    source: ClipSource

    @classmethod
    def of(
        cls, evaluation: DictConfig, name: str, datamodule: ClipDataModule
    ) -> "ScoringPlan | None":
        """Read the settings.

        Args:
            evaluation: ``conf/evaluation``.
            name: of the model that will be trained.
            datamodule: its test split is scored.

        Returns:
            The plan; ``None`` if nothing is to be scored.

        Raises:
            ValueError: if a restorer is unknown or is there twice, a number is out of range, or
                nobody is in the test split.
        """
        if evaluation.restorers is None:
            return None
        restorers = get_restorers("evaluation.restorers", evaluation.restorers, name)
        check_count("evaluation.clips_per_subject", evaluation.clips_per_subject, optional=True)
        check_count("evaluation.limit", evaluation.limit, optional=True)
        check_count("evaluation.num_inference_steps", evaluation.num_inference_steps)
        datamodule.check_test_split()
        source = datamodule.source
        clips = first_clips(
            datamodule.indices["test"], source.subject_ids, evaluation.clips_per_subject
        )
        return cls(restorers, clips[: evaluation.limit], source)

    def clips(self) -> Iterator[Clip]:
        """Read the clips one by one."""
        return (self.source[index] for index in self.indices)

    def rehearse(self, scoring: Scoring) -> None:
        """Score the first clip as it is, and keep nothing.

        Raises:
            ValueError: if its truth is unknown, or a network cannot take a clip of this size or
                length.
        """
        log.info("trying on one clip what will score the test people")
        clip = self.source[self.indices[0]]
        for scorer in scoring.scorers.values():
            scorer(clip.observed, clip)
        if scoring.distances is not None:
            scoring.distances.rehearse(clip)
