#!/usr/bin/env bash
# Train everything that ships in src/diffmvr/weights anew, in order.  About five hours on one core.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
OUT=${1:-outputs/weights}
export OMP_NUM_THREADS=1

# 1. The small autoencoder and the small OpenCLIP tower; independent of each other.
$PYTHON -m diffmvr.pretrain stage=vae output="$OUT/tiny-base/vae" \
    source.subjects=900 max_steps=1700 batch_size=32 &
$PYTHON -m diffmvr.pretrain stage=image_encoder output="$OUT/tiny-base/image_encoder" \
    source.subjects=900 max_steps=1100 batch_size=64 &
wait

# 2. The base: an image-guided inpainter from scratch.
$PYTHON -m diffmvr.train --config-name pretrain_unet threads=1 paths.weights="$OUT" \
    hydra.run.dir="$OUT/runs/pretrain_unet"
$PYTHON experiments/ship.py "$OUT/runs/pretrain_unet/model" "$OUT/tiny-base"

# 3. The model that `restore` uses: both guides, motion loss, both pathways.
$PYTHON -m diffmvr.train --config-name ship_unet threads=1 paths.weights="$OUT" \
    hydra.run.dir="$OUT/runs/diffmvr_tiny"
$PYTHON experiments/ship.py "$OUT/runs/diffmvr_tiny/model" "$OUT/diffmvr-tiny" --base ../tiny-base

# 4. The reader of faces, which scores restorations; independent of all others.
$PYTHON -m diffmvr.pretrain stage=expression output="$OUT/expression-tiny" \
    source.subjects=1200 source.num_frames=8 held_out.subjects=120 max_steps=1500

# 5. The rivals, from scratch, on the benchmark's training people.
for rival in fourier temporal; do
    $PYTHON -m diffmvr.train_inpainter inpainter="$rival" evaluation.clips_per_subject=1 \
        hydra.run.dir="$OUT/runs/$rival"
    cp -r "$OUT/runs/$rival/model" "$OUT/$rival-inpainter"
done

# 6. The detectors, which need the extra `detect` and the real clips: experiments/detectors.py.

# 7. What is read is checked against this list: anew wherever weights were put.
$PYTHON experiments/weight_sums.py "$OUT"
