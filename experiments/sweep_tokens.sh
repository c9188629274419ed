#!/usr/bin/env bash
# What of a guide the cross-attention sees: all patches, four tokens made of the pooled vector, or that
# vector alone (the paper to the letter: softmax over one key is 1).  The base knows patches only; the
# projectors of the other two begin anew.  See study.sh for the settings.
source "$(dirname "$0")/study.sh"
"${TRAIN[@]}" hydra.sweep.dir="$OUT/sweeps/tokens" \
    'hydra.sweep.subdir=${guide.tokens}/seed${seed}' \
    experiment=dual_motion 'name=tokens' seed="$SEEDS" guide.tokens=patch,pooled,single "$@"
