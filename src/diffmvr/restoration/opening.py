"""Open what a restoration needs: masks, what finds faces and what hides them, the model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diffmvr.collector import collector_paused
from diffmvr.config import weights_dir
from diffmvr.doubt.sight import Judge
from diffmvr.landmarker_bundle import find_landmarker_bundle
from diffmvr.models.device import choose_device
from diffmvr.models.sampler import choose_sampler
from diffmvr.parsing import parse_rate, user_path
from diffmvr.pipelines.crop_restorer import CropRestorer, FramePipeline, check_guide_kind
from diffmvr.pipelines.own_guides import OwnGuide
from diffmvr.preprocessing.backends import choose_backends, default_cleaning
from diffmvr.preprocessing.crop import CROP_SCALE
from diffmvr.preprocessing.detection import NoFaces
from diffmvr.preprocessing.frame_source import FrameSource
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.preprocessing.landmarks import FaceLandmarker
from diffmvr.preprocessing.mask_io import MaskSource, davis_annotations, open_masks
from diffmvr.preprocessing.mediapipe_runtime import LandmarkerUnavailableError
from diffmvr.preprocessing.scan import Scanner
from diffmvr.preprocessing.scene_layout import MaskCleaning
from diffmvr.preprocessing.sightings import REGION_SCALE, REGION_SIZE
from diffmvr.preprocessing.threads import worker_count
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.restoration.far_references import FarReference
from diffmvr.restoration.given_face import check_face_at, check_face_box
from diffmvr.restoration.recording import VideoRestorer
from diffmvr.restoration.scene_plan import NO_FACE
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.structures import FloatArray

DEFAULT_MODEL = "diffmvr-tiny"


def load_pipeline(model: str, device: str, sampler: str | None = None) -> FramePipeline:
    """Load a model; importing what it is built of takes seconds, too.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if it, the device or the sampler cannot be used.
    """
    with collector_paused():
        from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline

    loaded: Any = DiffMVRPipeline.from_pretrained(model)
    loaded.scheduler = choose_sampler(loaded.scheduler, sampler)
    pipeline: FramePipeline = loaded.to(choose_device(device))
    return pipeline


def open_recording(settings: RestoreSettings) -> FrameSource:
    """Open the recording that is to be restored.

    Raises:
        FileNotFoundError: if it is missing.
        ValueError: if it, or the rate that is given, cannot be used.
    """
    rate = None if settings.fps is None else parse_rate("fps", settings.fps)
    path, threads = user_path(settings.input), settings.threads or 0
    return open_frames(path, "input", rate, settings.allow_truncated, threads)


def chosen_model(settings: RestoreSettings) -> str:
    """Return the model's folder or hub id: the user's, or the one that ships."""
    return settings.weights or str(weights_dir() / DEFAULT_MODEL)


def open_given_masks(settings: RestoreSettings, frames: FrameSource) -> MaskSource | None:
    """Open the masks that are given; ``None`` if they are to be found.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if one cannot be used.
    """
    given = user_path(settings.mask) if settings.mask else davis_annotations(frames.path)
    return None if given is None else open_masks(given, frames, settings.allow_truncated)


def usable_bundle(landmarker: str | None) -> tuple[Path | None, list[str]]:
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


def open_scanner(
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
    check_face_at(settings.face_at, frames.info)
    files = detector_files(settings)
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
    at = None if settings.face_at is None else np.array(settings.face_at, np.float64)
    return backends.open_scanner(face_box, at=at), []


def detector_files(settings: RestoreSettings) -> dict[str, Path]:
    """Return the folders of the user's own detectors, by the settings that name them."""
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


def build_restorer(
    settings: RestoreSettings,
    pipeline: FramePipeline,
    own_guides: Mapping[str, OwnGuide],
    pictures: Sequence[FarReference],
    judge: Judge | None = None,
) -> tuple[CropRestorer, VideoRestorer]:
    """Return what restores crops, and what restores recordings by it.

    Args:
        settings: how.
        pipeline: the model.
        own_guides: the user's pictures that replace a guide.
        pictures: the user's pictures that join the clear frames.
        judge: says how sure each frame is; ``None``: nobody does.

    Raises:
        ValueError: if the model takes no such pictures.
    """
    if pictures:
        check_guide_kind("past", pipeline.guide_kinds)
    workers = worker_count(settings.threads or 0)
    guides = AutomaticGuides(
        pipeline.guide_kinds,
        settings.clear_threshold,
        settings.align_past,
        settings.past_selection,
        workers,
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
        workers,
        pictures,
        judge,
        settings.abstained,
    )
    return crops, restorer


def found_mask_cleaning(detect: str) -> MaskCleaning:
    """Return the clean-up of masks that are found.

    It is set in pixels of a crop, which shows a face at another size than a region.
    """
    return default_cleaning(detect, round(REGION_SIZE / REGION_SCALE * CROP_SCALE))
