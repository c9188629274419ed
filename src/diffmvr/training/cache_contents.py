"""What a cache of encodings was made with, and whether a run may train from it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import nn

from diffmvr.data.splits import split_settings
from diffmvr.files import hash_files
from diffmvr.models.components import Components


def describe_contents(cfg: DictConfig, components: Components) -> dict[str, Any]:
    """Return everything that encodings depend on, as JSON can hold it.

    Args:
        cfg: composed configuration; of ``data`` and ``guide_builder`` what shapes the pictures.
        components: the frozen parts; only their weights count.
    """
    source, guides = (
        OmegaConf.to_container(part, resolve=True) for part in (cfg.data.source, cfg.guide_builder)
    )
    splits = {k: value for k, value in split_settings(cfg.data).items() if value is not None}
    clips: dict[str, Any] = dict(source)  # type: ignore[arg-type]
    if clips.get("root"):
        # A store that was moved is the same store.
        clips["manifest"] = hash_files(Path(clips.pop("root")) / "manifest.parquet")
    builder: dict[str, Any] = dict(guides)  # type: ignore[arg-type]
    builder.pop("kinds")
    guide = components.guide
    towers = zip(guide.kinds, components.image_encoders, strict=True)
    return {
        "clips": clips,
        "guides": builder,
        **splits,
        "kinds": list(guide.kinds),
        # ``single`` and ``pooled`` make different tokens of the same vector, after the tower.
        "tokens": "patch" if guide.tokens == "patch" else "pooled",
        "vae": _digest(components.vae),
        "towers": {kind: _digest(tower) for kind, tower in towers},
    }


def check_contents(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Require a cache to be of the data and the frozen parts that a run would use.

    Args:
        made: what the cache was made with.
        wanted: what the run would make it with; of ``kinds`` and ``towers`` it may want fewer.

    Raises:
        ValueError: naming what differs.
    """
    differing = []
    for name in sorted({*made, *wanted}):
        mine, theirs = made.get(name), wanted.get(name)
        if name == "kinds":
            fits = set(theirs or ()) <= set(mine or ())
        elif name == "towers":
            fits = (theirs or {}).items() <= (mine or {}).items()
        else:
            fits = mine == theirs
        if not fits:
            differing.append(f"{name}: {mine!r} in the cache, {theirs!r} here")
    if differing:
        raise ValueError(
            f"encodings: the cache was made with other settings ({'; '.join(differing)}); write "
            "another with python -m diffmvr.cache and the settings of this run"
        )


def _digest(module: nn.Module) -> str:
    """Return the SHA-256 of a module's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
