"""``python -m diffmvr.restore input=VIDEO [mask=MASK] output=DIR``: restore a recording.

Of a folder of recordings, every one: each into a folder of its own, with ``shard=1/4`` a quarter.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from rich.progress import TimeRemainingColumn

from diffmvr.cli import entry_point, progress_bars
from diffmvr.config import weights_dir
from diffmvr.files import staged_output
from diffmvr.models.base_checkpoint import resolve_folder
from diffmvr.parsing import parse_rate, user_path
from diffmvr.pipelines.crop_restorer import CropRestorer, FramePipeline
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.pipelines.own_guides import OwnGuide
from diffmvr.preprocessing.backends import choose_backends
from diffmvr.preprocessing.frame_source import FrameSource
from diffmvr.preprocessing.landmarks import FaceLandmarker, find_landmarker_bundle
from diffmvr.preprocessing.mask_io import MaskSource, davis_annotations, open_masks
from diffmvr.preprocessing.picture_folder import read_picture
from diffmvr.preprocessing.scan import Scanner
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.restoration.cohort import find_cohort
from diffmvr.restoration.cohort_restoration import restore_cohort
from diffmvr.restoration.found_masks import FoundMasks
from diffmvr.restoration.output import RestorationOutput
from diffmvr.restoration.recording import VideoRestorer
from diffmvr.restoration.report import RestorationReport
from diffmvr.restoration.restored_frame import FrameRecord
from diffmvr.restoration.scene_plan import check_face_box, survey
from diffmvr.restoration.self_check import weights_of
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.runs.hashes import hash_weights
from diffmvr.structures import FloatArray

log = logging.getLogger(__name__)

DEFAULT_MODEL = "diffmvr-tiny"


def restore(settings: RestoreSettings, pipeline: FramePipeline | None = None) -> Path:
    """Restore a recording and write the result, with ``report.json``, into a new folder.

    Args:
        settings: what to restore, and how.
        pipeline: a model in memory instead of the one that ``settings.weights`` names.

    Returns:
        The output folder.

    Raises:
        FileNotFoundError: if an input or the model is missing.
        ValueError: if an input or a setting cannot be used; nothing is left behind.
    """
    # 1. Open what is read.
    threads = settings.threads or 0
    if threads:
        torch.set_num_threads(threads)
    frames = open_frames(
        user_path(settings.input),
        "input",
        None if settings.fps is None else parse_rate("fps", settings.fps),
        settings.allow_truncated,
        threads,
    )
    bundle = find_landmarker_bundle(settings.landmarker)
    face_box = None if settings.face_box is None else np.array(settings.face_box)
    masks_or_scanner = _open_masks(settings, frames, bundle, face_box)
    landmarker = None if bundle is None else FaceLandmarker(bundle)

    destination = user_path(settings.output)
    with staged_output(destination) as staging, progress_bars(TimeRemainingColumn()) as progress:
        # 2. Load the model and the user's own guides.
        model, hashes = "in memory", dict[str, str]()
        if pipeline is None:
            model = settings.weights or str(weights_dir() / DEFAULT_MODEL)
            hashes = hash_weights(resolve_folder(model))
            loaded: Any = DiffMVRPipeline.from_pretrained(model)
            loaded.set_progress_bar_config(disable=True)
            pipeline = loaded.to(choose_device(settings.device))
        own_files = {kind: Path(path) for kind, path in settings.guides.items() if path}
        own_guides = {
            kind: OwnGuide.from_image(read_picture(path, f"guides.{kind}"), landmarker)
            for kind, path in own_files.items()
        }
        crops = CropRestorer(
            pipeline,
            own_guides,
            settings.clear_threshold,
            settings.align_past,
            settings.steps,
            settings.guide_scales,
            settings.seed,
        )
        restorer = VideoRestorer(crops, settings.window, settings.feather, settings.past_detail)

        # 3. Find the face, and what hides it.
        masks: MaskSource
        if isinstance(masks_or_scanner, Scanner):
            finding = progress.add_task("finding what hides it", total=frames.info.frame_count)
            masks = FoundMasks.find(
                frames, masks_or_scanner, settings.detect, lambda: progress.advance(finding)
            )
        else:
            masks = masks_or_scanner
        looking = progress.add_task("finding the face", total=frames.info.frame_count)
        plan = survey(
            frames,
            masks,
            pipeline.resolution,
            landmarker,
            face_box,
            on_frame=lambda: progress.advance(looking),
        )

        # 4. See how far the recording bears the model out.
        check, trust = None, (1.0, 1.0)
        if settings.self_check:
            check = restorer.check_on_clear_frames(frames, masks, plan)
            trust = weights_of(check)
        if own_guides:
            # A picture of the user's own leads the frames that have no past one.
            trust = trust[0], 1.0

        # 5. Restore and write.
        restoring = progress.add_task("restoring", total=len(plan))
        with RestorationOutput(
            staging,
            frames,
            plan.mask_share,
            settings.format,
            settings.concat,
            settings.audio,
            settings.crf,
            threads,
        ) as output:
            for frame in restorer.restore(frames, masks, plan, *trust):
                output.write(frame)
                progress.advance(restoring)

        # 6. Report.
        unled = _unled(output.records, trust[1])
        notes = (*frames.info.notes, *masks.notes, *plan.notes, *output.notes, *unled)
        RestorationReport(
            input=settings.name or frames.info.name,
            mask="given"
            if settings.name and not isinstance(masks, FoundMasks)
            else masks.path.name,
            output=output.names,
            frame_rate=str(frames.info.frame_rate),
            size=(frames.info.width, frames.info.height),
            seed=settings.seed,
            steps=settings.steps,
            guide_kinds=crops.kinds,
            guide_scales=settings.guide_scales,
            own_guides={
                kind: "given" if settings.name else path.name for kind, path in own_files.items()
            },
            model=model_name(model),
            weights_sha256=hashes,
            settings=settings.without_paths(),
            self_check=check,
            notes=notes,
            frames=tuple(output.records),
        ).write(staging / "report.json")
    for note in notes:
        log.warning("note: %s", note)
    count = sum(record.restored for record in output.records)
    log.info("%s: %d of %d frames restored", frames.info.name, count, len(plan))
    if check is not None:
        log.info(
            "%d clear frames, hidden and restored: PSNR in the hole %.1f dB, the past guide alone "
            "%.1f dB; %.0f%% of the model's correction is taken",
            *(check.frames, check.psnr_model, check.psnr_guide, 100 * check.correction_weight),
        )
    return destination


def _unled(records: Sequence[FrameRecord], weight: float) -> list[str]:
    """Say if there are frames that no clear frame came before, and what they show."""
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


def _open_masks(
    settings: RestoreSettings,
    frames: FrameSource,
    bundle: Path | None,
    face_box: FloatArray | None,
) -> MaskSource | Scanner:
    """Open the masks that are given, or what finds them.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if one cannot be used, or no detector is installed.
    """
    if settings.mask:
        given: Path | None = user_path(settings.mask)
    else:
        given = davis_annotations(frames.path)
    if given is not None:
        return open_masks(given, frames, settings.allow_truncated)
    if face_box is not None:
        check_face_box(face_box, frames.info)
    face_weights, occluder_weights = (
        user_path(path) if path else None
        for path in (settings.face_weights, settings.occluder_weights)
    )
    try:
        backends = choose_backends(
            mask=settings.detect,
            face_weights=face_weights,
            occluder_weights=occluder_weights,
            landmarker=bundle,
            confidence=settings.confidence,
            boxes=face_box is not None,
        )
    except ValueError as error:
        raise ValueError(
            f"mask: none is given for {frames.path}, and it cannot be found by itself ({error}); "
            "give mask=VIDEO, mask=FOLDER of PNGs or mask=PNG (non-zero = hidden)"
        ) from error
    return backends.open_scanner(face_box)


def model_name(weights: str) -> str:
    """Return what a report calls a model: a hub id, or its folder without where that lies."""
    path = user_path(weights)
    if not path.is_dir():
        return weights
    # A run keeps its model in a folder of that name.
    parts = path.resolve().parts
    return "/".join(parts[-2:] if parts[-1] == "model" else parts[-1:])


def choose_device(name: str) -> str:
    """Return ``"cpu"`` or ``"cuda"``; ``"auto"`` takes a GPU where there is one.

    Raises:
        ValueError: if a GPU is asked for and there is none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: cuda was asked for but torch finds no GPU; use device=cpu")
    return name


@entry_point("restore", "restore")
def main(config: DictConfig) -> None:
    """Restore the recording, or the recordings, that the composed configuration names."""
    settings = RestoreSettings.from_config(config)
    members = find_cohort(user_path(settings.input), settings.mask)
    if members is not None:
        restore_cohort(settings, members, restore)
    elif settings.shard is not None:
        raise ValueError(
            f"shard: {settings.input} is one recording, which is restored by one job; give a "
            "folder of recordings, or leave shard out"
        )
    else:
        log.info("written to %s", restore(settings))


if __name__ == "__main__":
    main()
