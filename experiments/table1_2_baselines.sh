#!/usr/bin/env bash
# Tables 1 and 2: the paper's systems, the rivals trained on the same data, and the floor, on the
# people that the six experiments are scored on.  See study.sh for the settings; RIVAL_STEPS besides:
# the rivals begin from nothing, DiffMVR from the base that ships, so they get 10/3 as many steps.
# DiffMVR as in the paper is the experiment `dual_motion` of table3_guides.sh; `diffmvr` here is the
# model that ships.  A system whose weights are not present is shown in the tables with what to do
# about it; further arguments go to every evaluation, e.g. baselines.lama.weights=PATH.
source "$(dirname "$0")/study.sh"

# 1. The rivals, with every seed and kind of masks.
"$PYTHON" -m diffmvr.train_inpainter --multirun ledger=true threads=1 \
    trainer.max_steps="${RIVAL_STEPS:-$((STEPS * 10 / 3))}" evaluation.restorers=null \
    hydra.sweep.dir="$OUT/rivals" 'hydra.sweep.subdir=${name}/${mask.type}/seed${seed}' \
    inpainter=fourier,temporal seed="$SEEDS" mask="$MASKS"

# 2. Their scores, and with the first seed everybody's; who needs no seed is scored once.
RIVALS=()
for name in fourier_inpainter temporal_inpainter; do
    RIVALS+=("baselines.$name.weights=$OUT/rivals/$name/\${mask.type}/seed\${seed}/model")
done
"${EVALUATE[@]}" hydra.sweep.dir="$OUT/table1_2" 'hydra.sweep.subdir=all/${mask.type}' \
    seed="${SEEDS%%,*}" mask="$MASKS" frames=true \
    'restorers=[paper,copy_past_aligned,past_guide,occluded,autoencoder]' "${RIVALS[@]}" "$@"
"${EVALUATE[@]}" hydra.sweep.dir="$OUT/table1_2" \
    'hydra.sweep.subdir=rivals/${mask.type}/seed${seed}' seed="$SEEDS" mask="$MASKS" \
    'restorers=[fourier_inpainter,temporal_inpainter]' reference=fourier_inpainter \
    "${RIVALS[@]}" "$@"
