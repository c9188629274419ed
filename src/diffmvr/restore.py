"""``python -m diffmvr.restore input=VIDEO [mask=MASK] output=DIR``: restore a recording.

Of a folder of recordings, every one: each into a folder of its own, with ``shard=1/4`` a quarter.
"""

import logging
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig

from diffmvr.cli import entry_point
from diffmvr.doubt.judge import LEVEL, SHIPPED, CalibratedJudge
from diffmvr.doubt.sight import Judge
from diffmvr.files import KEPT_NAME, staged_output
from diffmvr.hidden_packages import begin_restoration
from diffmvr.models.base_checkpoint import read_trained_side, resolve_folder
from diffmvr.models.device import choose_device
from diffmvr.parsing import user_path
from diffmvr.pipelines.crop_restorer import FramePipeline
from diffmvr.pipelines.own_guides import OwnGuide
from diffmvr.preprocessing.frame_stream import with_masks
from diffmvr.preprocessing.landmarks import FaceLandmarker
from diffmvr.preprocessing.picture_folder import read_picture
from diffmvr.preprocessing.threads import ReadAhead, write_behind
from diffmvr.progress import ProgressBars
from diffmvr.provenance.manifest import write_manifest
from diffmvr.provenance.signing import load_private_key
from diffmvr.restoration.cohort import find_cohort
from diffmvr.restoration.cohort_restoration import restore_cohort
from diffmvr.restoration.first_pass import planned
from diffmvr.restoration.kept import MEBIBYTE, KeptFrames
from diffmvr.restoration.notes import doubt_notes, recording_notes, unled_notes
from diffmvr.restoration.opening import (
    build_restorer,
    chosen_model,
    detector_files,
    found_mask_cleaning,
    load_pipeline,
    model_name,
    open_given_masks,
    open_recording,
    open_scanner,
    usable_bundle,
)
from diffmvr.restoration.output import RestorationOutput
from diffmvr.restoration.own_pictures import read_pictures
from diffmvr.restoration.plan import restoration_plan
from diffmvr.restoration.report import RestorationReport
from diffmvr.restoration.result_facts import result_facts
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.runs.hashes import hash_weights

log = logging.getLogger(__name__)


def restore(
    settings: RestoreSettings, pipeline: FramePipeline | None = None, judge: Judge | None = None
) -> Path:
    """Restore a recording and write the result, its report and manifest, into a new folder.

    Args:
        settings: what to restore, and how.
        pipeline: a model in memory instead of the one that ``settings.weights`` names.
        judge: says how sure each frame is, instead of the one that ``settings.doubt`` describes.

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
    if judge is None and settings.tells_doubt:
        judge = CalibratedJudge.from_settings(settings.calibrated, settings.abstain)
    frames = open_recording(settings)
    face_box = None if settings.face_box is None else np.array(settings.face_box)
    masks = open_given_masks(settings, frames)
    bundle, notes = usable_bundle(settings.landmarker)
    scanner, more = open_scanner(settings, frames, masks is not None, face_box, bundle)
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
            model = chosen_model(settings)
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
                detector_files(settings).get("face_weights"),
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
        cleaning = found_mask_cleaning(settings.detect)
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
            pipeline = load_pipeline(model, settings.device, settings.sampler)
        crops, restorer = build_restorer(settings, pipeline, own_guides, pictures, judge)

        # A model in memory may be any.
        kept = KeptFrames()
        if hashes:
            files = {
                f"guides.{kind}[{number}]": path
                for kind, paths in own_files.items()
                for number, path in enumerate(paths)
            }
            files |= {"input": frames.path, **detector_files(settings)}
            files["doubt.calibration"] = settings.calibrated.get("calibration", SHIPPED)
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
            None if settings.overlay is None else settings.doubt.get("level", LEVEL),
            settings.name,
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
        calibrated = judge.model.weights_sha256 if isinstance(judge, CalibratedJudge) else None
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
            *doubt_notes(output.records, settings.abstain, calibrated, hashes),
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
    count = sum(record.restored and not record.abstained for record in output.records)
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


@entry_point("restore", "restore", plan=restoration_plan)
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
    begin_restoration()
    main()
