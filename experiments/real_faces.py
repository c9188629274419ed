"""The real-face benchmark: recordings of talking people × drawn occluders × both kinds of masks.

    DIFFMVR_SHARED=FOLDER python experiments/real_faces.py
    … --clips d0 d11 --occluders hand --masks bbox --systems flow past_guide   # a part of it
    … --systems past_guide --again                                            # computed anew

Every restorer that ``python -m diffmvr.evaluate`` knows can be named.  It works on 192 × 192 crops
that follow the face; ``diffmvr`` is the product: ``python -m diffmvr.restore`` on whole frames, and
what it writes is cut out and scored in the same crops.  What has been computed is not computed
again: rows of the same recording, occluder, mask and system are kept.  Several processes may each
do a part; the tables are made of all rows that there are.

Rows and tables go to ``--output``.  Whatever shows the recordings goes to ``--pictures``, which
stays outside the repository: they are not ours to pass on.
"""

import argparse
import hashlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from drawn_occluders import KINDS
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from real_faces_cases import LENGTH, SIZE, Case, Product, Recording, find_recordings, truth
from real_faces_rows import SEED, RowFiles, make_tables, scored
from real_faces_sheets import Strips, make_sheet

from diffmvr.cli import run_cli
from diffmvr.config import config_dir, weights_dir
from diffmvr.evaluate import build_restorers, chosen_restorers
from diffmvr.evaluation.real_face_scores import RealFaceScorer
from diffmvr.files import write_json
from diffmvr.landmarker_bundle import SHARED_VARIABLE, find_landmarker_bundle
from diffmvr.restoration.opening import DEFAULT_MODEL
from diffmvr.runs.hashes import model_hash
from diffmvr.structures import Restorer

log = logging.getLogger("real_faces")

OURS = "diffmvr"
MASKS = ("segmentation", "bbox")
SYSTEMS = ("occluded", "telea", "copy_past", "copy_past_aligned", "flow", "past_guide", OURS)
REFERENCE = "past_guide"


def build_named(names: Sequence[str], overrides: Sequence[str]) -> dict[str, Restorer]:
    """Return restorers by name; those whose weights are not present are left out, with a warning.

    Args:
        names: of restorers or sets of them, as in ``conf/evaluate.yaml``; ``diffmvr`` is passed
            over.
        overrides: settings of ``conf/evaluate.yaml``, such as ``baselines.lama.weights=PATH``.
    """
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        settings = compose("evaluate", list(overrides))
    chosen = chosen_restorers(names, settings.restorer_sets)
    return build_restorers(settings, [name for name in chosen if name != OURS])[0]


def run_case(
    case: Case,
    mask_type: str,
    systems: Mapping[str, Restorer | Product],
    faces: RealFaceScorer,
    files: RowFiles,
    strips: Strips,
) -> None:
    """Restore, score and keep one case; each system's rows are written at once."""
    clip = case.clip
    strips.save(clip, mask_type, {"occluded": clip.observed, "truth": truth(clip)})
    for name, system in systems.items():
        begun = time.monotonic()
        restored = system.restore(case if isinstance(system, Product) else clip)
        seconds = (time.monotonic() - begun) / max(1, int(clip.mask.any(axis=(1, 2)).sum()))
        # Recordings of fewer frames than others enter one table.
        files.add(*scored(clip, restored, name, mask_type, faces, seconds, LENGTH))
        strips.save(clip, mask_type, {name: restored})


def run(
    recordings: Sequence[Recording],
    kinds: Sequence[str],
    masks: Sequence[str],
    systems: Mapping[str, Restorer | Product],
    files: RowFiles,
    strips: Strips,
    again: bool = False,
) -> None:
    """Compute every row that is wanted and not there."""
    faces = RealFaceScorer.from_bundle()
    for recording in recordings:
        for kind in kinds:
            done = set() if again else files.done(f"{recording.name}_{kind}")
            wanted = {
                mask: {n: one for n, one in systems.items() if (n, mask) not in done}
                for mask in masks
            }
            if not any(wanted.values()):
                continue
            hidden = recording.hidden(kind)
            for mask, some in wanted.items():
                if some:
                    case = recording.case(hidden, kind, mask)
                    run_case(case, mask, some, faces, files, strips)
        # Its frames are large.
        recording.__dict__.pop("frames", None)


def save_settings(output: Path, **facts: object) -> None:
    """Write what holds for every number: ``facts``, the size, the seed and the landmarker."""
    bundle = find_landmarker_bundle(None)
    digest = bundle and hashlib.sha256(bundle.read_bytes()).hexdigest()
    output.mkdir(parents=True, exist_ok=True)
    common = {"size": SIZE, "seed": SEED, "landmarker_sha256": digest}
    write_json(output / "settings.json", facts | common)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", nargs="+", metavar="NAME", help="only these, e.g. d0 bbaf2n")
    parser.add_argument("--occluders", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--masks", nargs="+", default=list(MASKS), choices=MASKS)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), metavar="NAME")
    parser.add_argument("--reference", default=REFERENCE, help="whom the tables compare with")
    parser.add_argument("--again", action="store_true", help="compute rows that are there anew")
    parser.add_argument("--tables", action="store_true", help="only make tables and sheets anew")
    parser.add_argument("--weights", default=str(weights_dir() / DEFAULT_MODEL))
    parser.add_argument(
        "--restore",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="settings of restore, e.g. self_check=false",
    )
    parser.add_argument("--name", default=OURS, help="what its rows are called then")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (1)")
    parser.add_argument("--output", type=Path, default=Path("experiments/results/real_faces"))
    parser.add_argument("--pictures", type=Path, default=Path("outputs/real_faces"))
    parser.add_argument(
        "--evaluate", nargs="+", default=[], metavar="KEY=VALUE", help="settings of evaluate"
    )
    return parser.parse_args(words)


@run_cli
def main() -> None:
    """Run what the command line says, then make the tables of all rows that there are."""
    arguments = parse()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    shared = os.environ.get(SHARED_VARIABLE)
    if not shared:
        raise ValueError(f"{SHARED_VARIABLE}: expected the folder that holds data/faces, got none")
    torch.set_num_threads(arguments.threads)
    pictures: Path = arguments.pictures
    recordings = find_recordings(Path(shared), arguments.clips, pictures / "tracks")
    files = RowFiles(arguments.output, pictures / "rows.lock")
    strips = Strips(pictures / "strips")
    if not arguments.tables:
        work = pictures / f"work_{os.getpid()}"
        product = Product(arguments.weights, work, options_of(arguments.restore))
        systems: dict[str, Restorer | Product] = {
            **build_named(arguments.systems, arguments.evaluate)
        }
        if OURS in arguments.systems:
            systems[arguments.name] = product
        local = Path(arguments.weights)
        weights = model_hash(local) if local.is_dir() else arguments.weights
        save_settings(
            arguments.output, frames=LENGTH, occluders=sorted(KINDS), weights_sha256=weights
        )
        run(
            *(recordings, arguments.occluders, arguments.masks, systems, files, strips),
            again=arguments.again,
        )
    make_tables(files, arguments.reference, {"recording": 0, "occluder": 1})
    for recording in recordings:
        make_sheet(recording.name, files, strips, pictures / f"{recording.name}.png")


def options_of(entries: Sequence[str]) -> dict[str, Any]:
    """Return settings of ``restore`` by name; ``A.B=1 A.C=2`` gives ``{"A": {"B": 1, "C": 2}}``."""
    options: Any = OmegaConf.to_container(OmegaConf.from_dotlist(list(entries)))
    return options


if __name__ == "__main__":
    main()
