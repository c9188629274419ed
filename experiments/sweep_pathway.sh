#!/usr/bin/env bash
# How the guides reach the U-Net: as tokens (the paper), as latents, or both (decisions 20), with the
# same losses, base and budget.  See study.sh for the settings.
source "$(dirname "$0")/study.sh"
"${TRAIN[@]}" hydra.sweep.dir="$OUT/sweeps/pathway" \
    'hydra.sweep.subdir=${guide.pathway}/seed${seed}' \
    experiment=dual_motion 'name=pathway' seed="$SEEDS" guide.pathway=attention,latents,both "$@"
