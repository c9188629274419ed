"""``python -m diffmvr.restore input=VIDEO [mask=MASK] output=DIR``: restore a recording.

Of a folder of recordings, every one: each into a folder of its own, with ``shard=1/4`` a quarter.
"""

import logging
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

from diffmvr.cli import entry_point
from diffmvr.collector import collector_paused
from diffmvr.config import weights_dir
from diffmvr.files import KEPT_NAME, staged_output
from diffmvr.hidden_packages import (
    DEFERRED_BY_RESTORE,
    UNUSED_BY_RESTORE,
    defer,
    hide,
    leave_distributions_unread,
)
from diffmvr.models.base_checkpoint import read_trained_side, resolve_folder
from diffmvr.models.device import choose_device
from diffmvr.parsing import parse_rate, user_path
from diffmvr.pipelines.crop_restorer import CropRestorer, FramePipeline, check_guide_kind
from diffmvr.pipelines.own_guides import OwnGuide
from diffmvr.preprocessing.backends import choose_backends, default_cleaning
from diffmvr.preprocessing.crop import CROP_SCALE
from diffmvr.preprocessing.detection import NoFaces
from diffmvr.preprocessing.frame_source import FrameSource
from diffmvr.preprocessing.frame_stream import with_masks
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.preprocessing.landmarks import FaceLandmarker, find_landmarker_bundle
from diffmvr.preprocessing.mask_io import MaskSource, davis_annotations, open_masks
from diffmvr.preprocessing.mediapipe_runtime import LandmarkerUnavailableError
from diffmvr.preprocessing.picture_folder import read_picture
from diffmvr.preprocessing.scan import Scanner
from diffmvr.preprocessing.sightings import REGION_SCALE, REGION_SIZE
from diffmvr.preprocessing.threads import ReadAhead, worker_count, write_behind
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.progress import ProgressBars
from diffmvr.provenance.manifest import write_manifest
from diffmvr.provenance.signing import load_private_key
from diffmvr.restoration.cohort import find_cohort
from diffmvr.restoration.cohort_restoration import restore_cohort
from diffmvr.restoration.first_pass import planned
from diffmvr.restoration.kept import MEBIBYTE, KeptFrames
from diffmvr.restoration.notes import recording_notes, unled_notes
from diffmvr.restoration.output import RestorationOutput
from diffmvr.restoration.own_pictures import read_pictures
from diffmvr.restoration.recording import VideoRestorer
from diffmvr.restoration.report import RestorationReport
from diffmvr.restoration.result_facts import result_facts
from diffmvr.restoration.scene_plan import NO_FACE, check_face_box
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.runs.hashes import hash_weights
from diffmvr.structures import FloatArray

log = logging.getLogger(__name__)

DEFAULT_MODEL = "diffmvr-tiny"


def restore(settings: RestoreSettings, pipeline: FramePipeline | None = None) -> Path:
    """Restore a recording and write the result, its report and manifest, into a new folder.

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
    key = None if settings.sign is None else load_private_key(user_path(settings.sign))
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
    face_box = None if settings.face_box is None else np.array(settings.face_box)
    masks = _open_masks(settings, frames)
    bundle, notes = _usable_bundle(settings.landmarker)
    scanner, more = _open_scanner(settings, frames, masks is not None, face_box, bundle)
    notes += more

    destination = user_path(settings.output)
    with (
        staged_output(destination, goes_on=True) as staging,
        ProgressBars() as progress,
        ExitStack() as reading,
    ):
        # Of many recordings each is written into a place of its own before it is moved.
        log.info("restoring %s into the folder %s", frames.info.name, destination.name)
        if pipeline is None:
            model = settings.weights or str(weights_dir() / DEFAULT_MODEL)
            side = partial(read_trained_side, resolve_folder(model))
        else:
            model, side = "in memory", partial(int, pipeline.resolution)

        # 2. Read the user's own pictures.
        own_files = {
            kind: [user_path(path) for path in paths] for kind, paths in settings.pictures.items()
        }
        pictures = []
        if settings.mixed_pictures:
            pictures = read_pictures(
                own_files["past"],
                side(),
                bundle,
                _detector_files(settings).get("face_weights"),
                anonymous=settings.name is not None,
            )
        own_guides = {
            kind: OwnGuide.from_image(
                read_picture(paths[0], f"guides.{kind}"),
                None if bundle is None else FaceLandmarker(bundle),
            )
            for kind, paths in own_files.items()
            if kind != "past" or not pictures
        }

        # 3. Begin to find the face and what hides it: loading a model takes seconds.
        looking = progress.add_task("finding faces", total=frames.info.frame_count, unit="frames")
        restoring = progress.add_task("restoring", total=frames.info.frame_count, unit="frames")
        # Clean-up is set in pixels of a crop, which shows a face at another size than a region.
        cleaning = default_cleaning(settings.detect, round(REGION_SIZE / REGION_SCALE * CROP_SCALE))
        seen = partial(progress.advance, looking)
        plans = reading.enter_context(
            planned(
                *(frames, masks, scanner, side, cleaning, seen),
                past=settings.past_selection,
                clear_threshold=settings.clear_threshold,
            )
        )

        # 4. Load the model.
        hashes: dict[str, str] = {}
        if pipeline is None:
            hashes = hash_weights(resolve_folder(model))
            pipeline = _load_pipeline(model, settings.device)
        if pictures:
            check_guide_kind("past", pipeline.guide_kinds)
        guides = AutomaticGuides(
            pipeline.guide_kinds,
            settings.clear_threshold,
            settings.align_past,
            settings.past_selection,
            worker_count(threads),
        )
        crops = CropRestorer(
            pipeline, guides, own_guides, settings.steps, settings.guide_scales, settings.seed
        )
        restorer = VideoRestorer(
            crops,
            settings.window,
            settings.feather,
            settings.past_detail,
            settings.self_check,
            settings.no_face,
            worker_count(threads),
            pictures,
        )

        # A model in memory may be any.
        kept = KeptFrames()
        if hashes:
            files = {
                f"guides.{kind}[{number}]": path
                for kind, paths in own_files.items()
                for number, path in enumerate(paths)
            }
            files |= {"input": frames.path, **_detector_files(settings)}
            if masks is not None:
                files["mask"] = masks.path
            if bundle is not None:
                files["landmarker"] = bundle
            facts = result_facts(settings, hashes, files, choose_device(settings.device))
            kept = KeptFrames(staging.with_name(KEPT_NAME), facts, settings.keep_mib * MEBIBYTE)

        # 5. Restore and write, scene by scene.
        output = RestorationOutput(
            staging,
            frames,
            settings.format,
            settings.concat,
            settings.audio,
            settings.crf,
            threads,
            settings.mark,
            settings.keep_metadata,
        )
        with (
            kept,
            closing(ReadAhead(with_masks(frames, masks))) as second_pass,
            output,
        ):
            with write_behind(output.write) as write:
                for frame in restorer.restore(plans, second_pass, kept):
                    write(frame)
                    progress.advance(restoring)
            if not output.records:
                raise ValueError(f"input: {frames.path} has no frames; give a video that plays")

        # 6. Report.
        mask_name = f"found by {settings.detect}"
        if masks is not None:
            mask_name = "given" if settings.name else masks.path.name
        notes = [
            *frames.info.notes,
            *(() if masks is None else masks.notes),
            *notes,
            *kept.notes,
            *recording_notes(output.records, mask_name, frames.info.frame_count),
            *output.notes,
            *unled_notes(output.records, restorer.weights[1]),
            *restorer.notes,
        ]
        RestorationReport(
            input=settings.name or frames.info.name,
            mask=mask_name,
            output=output.names,
            frame_rate=str(frames.info.frame_rate),
            size=(frames.info.width, frames.info.height),
            seed=settings.seed,
            steps=settings.steps,
            guide_kinds=crops.kinds,
            guide_scales=settings.guide_scales,
            own_guides={
                kind: _names(paths, settings.name is not None) for kind, paths in own_files.items()
            },
            model=model_name(model),
            weights_sha256=hashes,
            settings=settings.without_paths(),
            self_check=restorer.check,
            notes=tuple(notes),
            frames=tuple(output.records),
        ).write(staging / "report.json")
        write_manifest(staging, output.masks, settings.mark, key)
    for note in notes:
        log.warning("note: %s", note)
    count = sum(record.restored for record in output.records)
    log.info("%s: %d of %d frames restored", frames.info.name, count, len(output.records))
    if restorer.check is not None:
        check = restorer.check
        log.info(
            "%d clear frames, hidden and restored: PSNR in the hole %.1f dB, the past guide alone "
            "%.1f dB; %.0f%% of the model's correction is taken",
            *(check.frames, check.psnr_model, check.psnr_guide, 100 * check.correction_weight),
        )
    return destination


def _names(paths: list[Path], anonymous: bool) -> str | list[str]:
    """Return what a report calls the user's pictures: their files' names, if it may tell them."""
    names = ["given" if anonymous else path.name for path in paths]
    return names[0] if len(names) == 1 else names


def _load_pipeline(model: str, device: str) -> FramePipeline:
    """Load a model; importing what it is built of takes seconds, too."""
    with collector_paused():
        from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline

    loaded: Any = DiffMVRPipeline.from_pretrained(model)
    pipeline: FramePipeline = loaded.to(choose_device(device))
    return pipeline


def _open_masks(settings: RestoreSettings, frames: FrameSource) -> MaskSource | None:
    """Open the masks that are given; ``None`` if they are to be found.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if one cannot be used.
    """
    given = user_path(settings.mask) if settings.mask else davis_annotations(frames.path)
    return None if given is None else open_masks(given, frames, settings.allow_truncated)


def _usable_bundle(landmarker: str | None) -> tuple[Path | None, list[str]]:
    """Return the Face Landmarker bundle if there is one that works here, and a note if not.

    Raises:
        FileNotFoundError: if the one that is named is missing.
        ValueError: if it is not one.
    """
    bundle = find_landmarker_bundle(landmarker)
    if bundle is not None:
        try:
            FaceLandmarker(bundle).require()
        except LandmarkerUnavailableError as error:
            return None, [f"facial landmarks are not looked for: {error}"]
    return bundle, []


def _open_scanner(
    settings: RestoreSettings,
    frames: FrameSource,
    masks_given: bool,
    face_box: FloatArray | None,
    bundle: Path | None,
) -> tuple[Scanner, list[str]]:
    """Open what finds the face, and what hides it where no masks are given: the best there is.

    Returns:
        The scanner, and what the reader of a report should know of it.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a setting cannot be used, or nothing that could find a mask is installed.
    """
    if face_box is not None:
        check_face_box(face_box, frames.info)
    files = _detector_files(settings)
    try:
        backends = choose_backends(
            mask="given" if masks_given else settings.detect,
            face_weights=files.get("face_weights"),
            occluder_weights=files.get("occluder_weights"),
            landmarker=None if face_box is not None else bundle,
            confidence=settings.confidence,
            boxes=face_box is not None,
        )
    except ValueError as error:
        if masks_given and "face_weights" not in files:
            return Scanner(NoFaces(), NO_FACE), [
                "the face is not looked for, since nothing that finds faces is installed: "
                "pip install 'diffmvr[detect]', or give landmarker=PATH of face_landmarker.task "
                "or face_box=[x0,y0,x1,y1]"
            ]
        raise ValueError(
            f"mask: none is given for {frames.path}, and it cannot be found by itself ({error}); "
            "give mask=VIDEO, mask=FOLDER of PNGs or mask=PNG (non-zero = hidden)"
        ) from error
    return backends.open_scanner(face_box), []


def _detector_files(settings: RestoreSettings) -> dict[str, Path]:
    named = {"face_weights": settings.face_weights, "occluder_weights": settings.occluder_weights}
    return {name: user_path(path) for name, path in named.items() if path}


def model_name(weights: str) -> str:
    """Return what a report calls a model: a hub id, or its folder without where that lies."""
    path = user_path(weights)
    if not path.is_dir():
        return weights
    # A run keeps its model in a folder of that name.
    parts = path.resolve().parts
    return "/".join(parts[-2:] if parts[-1] == "model" else parts[-1:])


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
    hide(UNUSED_BY_RESTORE)
    defer(DEFERRED_BY_RESTORE)
    leave_distributions_unread()
    main()
