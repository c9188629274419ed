"""Scores a restored clip by what its face says, read by the small network that ships."""

import logging
import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from diffmvr.checks import check_same_shape
from diffmvr.data.synthetic import SyntheticClip
from diffmvr.metrics.expression import expression_error, state_agreement
from diffmvr.models.expression_network import ExpressionNetwork
from diffmvr.models.state_dicts import load_pretrained
from diffmvr.preprocessing.reference import occluded_share, past_clear_index
from diffmvr.structures import CLEAR_THRESHOLD, Clip, UInt8Array, to_pixel_values

log = logging.getLogger(__name__)


class ExpressionScorer:
    """Reads the restored and the clean frames with a hole and compares what they say.

    The clean frame's own reading is the measure, not the renderer's truth: what the network gets
    wrong it gets wrong in both, and a perfect restoration scores 0 and 1.

    It knows rendered faces only.  Of real ones its readings mean nothing, so every score of a clip
    that the renderer did not make is NaN, and the log says so once.

    Args:
        network: reads faces.
        clear_threshold: largest occluded share of the face box of a clear frame (decisions 11).
    """

    def __init__(
        self, network: ExpressionNetwork, clear_threshold: float = CLEAR_THRESHOLD
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.clear_threshold = clear_threshold
        self._told = False

    @classmethod
    def from_folder(cls, folder: str | Path) -> "ExpressionScorer":
        """Load the network that ``python -m diffmvr.pretrain stage=expression`` wrote.

        Raises:
            FileNotFoundError: if there is none.
        """
        if not (Path(folder) / ExpressionNetwork.config_name).is_file():
            raise FileNotFoundError(
                f"no network that reads faces in {folder}; name a folder that "
                "python -m diffmvr.pretrain stage=expression wrote"
            )
        return cls(load_pretrained(ExpressionNetwork, Path(folder)))

    def __call__(self, restored: UInt8Array, clip: Clip) -> dict[str, float]:
        """Score a restored clip.

        Args:
            restored: ``[T, H, W, 3]`` uint8.
            clip: the clip, its ground truth known.

        Returns:
            Over the frames with a hole, NaN without any: ``expression_error`` (mean over all
            expressions of the mean absolute difference as a share of the range), the same for each
            expression as ``expression_error_NAME``, ``state_agreement`` (share of frames whose
            state is read as in the clean frame), and ``state_agreement_changed``: the same over the
            frames whose state is no longer that of the last clear frame.  Whoever shows that
            frame's face again is right in the others and wrong in these.

        Raises:
            ValueError: if the shapes differ.
        """
        if not isinstance(clip, SyntheticClip) or clip.frames is None:
            names = [f"expression_error_{name}" for name in self.network.expression_names]
            agreements = ["state_agreement", "state_agreement_changed"]
            if not self._told:
                log.info(
                    "%s: expression_error and state_agreement are of rendered faces and stay empty "
                    "here; scoring=real scores what real faces say (blendshape_error)",
                    clip.clip_id,
                )
                self._told = True
            return dict.fromkeys(["expression_error", *names, *agreements], math.nan)
        check_same_shape("restored", restored, "clip.frames", clip.frames)
        hidden = np.flatnonzero(clip.mask.any(axis=(1, 2)))
        similarity = clip.track.similarity[hidden]
        own, own_states = self.read(restored[hidden], similarity)
        true, true_states = self.read(clip.frames[hidden], similarity)
        errors = expression_error(own, true, self.network.config.ranges)
        scores = {"expression_error": float(errors.mean())}
        for name, error in zip(self.network.expression_names, errors, strict=True):
            scores[f"expression_error_{name}"] = float(error)
        past = past_clear_index(
            occluded_share(clip.mask, clip.track.face_box), self.clear_threshold
        )[hidden]
        _, past_states = self.read(clip.frames[past], clip.track.similarity[past])
        changed = (past >= 0) & (past_states != true_states)
        return {
            **scores,
            "state_agreement": state_agreement(own_states, true_states),
            "state_agreement_changed": state_agreement(own_states[changed], true_states[changed]),
        }

    @torch.no_grad()
    def read(
        self, frames: UInt8Array, similarity: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Read frames.

        Args:
            frames: ``[N, H, W, 3]`` uint8.
            similarity: ``[N, 2, 3]`` canonical face coordinates → pixels.

        Returns:
            ``[N, E]`` expressions and ``[N]`` indices of states.
        """
        device = self.network.device
        reading = self.network(
            to_pixel_values(frames).to(device), torch.from_numpy(similarity).float().to(device)
        )
        return reading.expression.cpu().numpy(), reading.state_logits.argmax(dim=1).cpu().numpy()
