#!/usr/bin/env bash
# How the two guides are weighed: fixed, learned or gated α.  See study.sh for the settings.
source "$(dirname "$0")/study.sh"
"${TRAIN[@]}" hydra.sweep.dir="$OUT/sweeps/fusion" \
    'hydra.sweep.subdir=${guide.fusion}/seed${seed}' \
    experiment=dual_motion 'name=fusion' seed="$SEEDS" guide.fusion=fixed,learned,gated "$@"
