"""Where the weights of a text-guided inpainter are, and how they are read: never downloaded.

A checkpoint is a diffusers folder (``model_index.json``, ``unet/``, ``vae/``, ``text_encoder/``,
``tokenizer/``, ``scheduler/``), one ``.safetensors`` file in the original Stable Diffusion layout,
or a hub id whose files are in the hub's cache already.  Pickled weights are not read: they run
code.
"""

from pathlib import Path
from typing import Any

from diffmvr.checks import WeightsNotPresentError
from diffmvr.models.hub import cached_snapshot, download_command
from diffmvr.parsing import user_path
from diffmvr.tensor_files import check_finite_weights

WEIGHED_PARTS = ("unet", "vae", "text_encoder")
CONFIG_FILES = ("*.json", "*.txt")
WEIGHTS_FILES = "*/*.safetensors"
# The checker is not loaded, and half precision is cut from the full weights.
UNUSED_FILES = ("safety_checker/*", "*.fp16.*", "*non_ema*")


def locate_weights(
    key: str, weights: str | Path | None, hub_id: str | None = None, made_by: str | None = None
) -> Path:
    """Return the folder or file of a checkpoint.

    Args:
        key: the setting that names the weights, for messages.
        weights: a folder, a ``.safetensors`` file, or a hub id in the cache; ``None`` looks for
            ``hub_id`` in the cache.
        hub_id: of the published weights.
        made_by: the command that makes the weights, where nobody publishes them.

    Raises:
        WeightsNotPresentError: if there is no checkpoint, or a part of it is missing.
        ValueError: if the file is of another kind.
    """
    if weights is None and hub_id is None:
        raise WeightsNotPresentError(
            f"weights not present: {key}=null; make them with `{made_by}`, then give the folder it "
            f"names as {key}=FOLDER"
        )
    path = user_path(weights or "")
    if weights is not None and path.is_file():
        if path.suffix != ".safetensors":
            raise ValueError(
                f"{key}: expected a folder, a .safetensors file or a hub id, got {path}; pickled "
                "weights run code and are not read, so convert them to safetensors first"
            )
        return path
    if weights is not None and path.is_dir():
        return _whole(path, _remedy(path, hub_id, made_by))
    wanted = str(hub_id if weights is None else weights)
    cached = cached_snapshot(wanted)
    if cached is None:
        raise WeightsNotPresentError(_not_present(key, weights, hub_id, made_by))
    return _whole(cached, f"run `{_fetching(wanted)}`")


def load_inpainting_pipeline(
    path: Path, configs: str | Path | None = None, hub_id: str | None = None
) -> Any:
    """Load a checkpoint as a diffusers inpainting pipeline, without its safety checker.

    The checker is left out because it blackens a whole picture that it takes for indecent, and it
    takes a good part of clinical pictures of bare skin for that: what would be scored is not the
    model.

    Args:
        path: what :func:`locate_weights` returned.
        configs: for a single file: a diffusers folder of the same model, of which only the settings
            and the tokenizer are read; ``None`` takes those of ``hub_id`` from the hub's cache.
        hub_id: see ``configs``.

    Raises:
        WeightsNotPresentError: if a single file's settings are not there.
        ValueError: if the checkpoint is no text-guided inpainter, or a weight is not finite.
    """
    from diffusers import StableDiffusionInpaintPipeline

    settings: dict[str, Any] = {
        "safety_checker": None,
        "feature_extractor": None,
        "local_files_only": True,
    }
    try:
        if path.is_dir():
            pipeline = StableDiffusionInpaintPipeline.from_pretrained(
                path,
                requires_safety_checker=False,
                use_safetensors=True,
                low_cpu_mem_usage=False,
                **settings,
            )
        else:
            # Without settings at hand diffusers would fetch them, whatever local_files_only says.
            pipeline = StableDiffusionInpaintPipeline.from_single_file(
                str(path), config=str(_find_configs(path, configs, hub_id)), **settings
            )
    except WeightsNotPresentError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError, TypeError) as error:
        raise ValueError(
            f"weights: {path} is no text-guided inpainter that diffusers can load ({error}); give "
            "a checkpoint for StableDiffusionInpaintPipeline"
        ) from error
    for part in WEIGHED_PARTS:
        check_finite_weights(getattr(pipeline, part).state_dict(), f"weights: {path}: {part}")
    return pipeline


def _whole(folder: Path, remedy: str) -> Path:
    """Return a diffusers folder if all of its weights are there."""
    if not (folder / "model_index.json").is_file():
        raise WeightsNotPresentError(f"weights not present: {folder}/model_index.json; {remedy}")
    for part in WEIGHED_PARTS:
        if not any((folder / part).glob("*.safetensors")):
            raise WeightsNotPresentError(
                f"weights not present: {folder / part}/*.safetensors; {remedy}"
            )
    return folder


def _find_configs(path: Path, configs: str | Path | None, hub_id: str | None) -> Path:
    if configs is not None and (Path(configs) / "model_index.json").is_file():
        return Path(configs)
    looked_for = configs or hub_id
    remedy = "give the folder of the same model's settings and tokenizer as configs=FOLDER"
    if configs is None and hub_id is not None:
        remedy = f"run `{download_command(hub_id, CONFIG_FILES)}`, or {remedy}"
        cached = cached_snapshot(hub_id)
        if cached is not None:
            return cached
    raise WeightsNotPresentError(
        f"weights not present: model_index.json of {looked_for}, which the single file {path} "
        f"needs; {remedy}"
    )


def _not_present(
    key: str, weights: str | Path | None, hub_id: str | None, made_by: str | None
) -> str:
    if weights is None and hub_id is not None:
        return (
            f"weights not present: {hub_id} in the hub's cache; run "
            f"`{_fetching(hub_id)}`, or give a folder or a .safetensors file as {key}=PATH"
        )
    return f"weights not present: {weights}; {_remedy(Path(str(weights)), hub_id, made_by)}"


def _remedy(path: Path, hub_id: str | None, made_by: str | None) -> str:
    if hub_id is not None:
        return f"run `{_fetching(hub_id, path)}`"
    return f"make them with `{made_by}`"


def _fetching(hub_id: str, folder: Path | None = None) -> str:
    """Return the command that fetches a published checkpoint, and no more than is read of it."""
    return download_command(hub_id, (*CONFIG_FILES, WEIGHTS_FILES), folder, UNUSED_FILES)
