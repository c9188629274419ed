#!/usr/bin/env bash
# λ of Eq. 2 (paper 5: "determining the optimal λ … remains a challenge"), for both references of
# the motion loss.  See study.sh for the settings; LAMBDAS, REFERENCES and EXPERIMENT besides.
SEEDS=${SEEDS:-0}
source "$(dirname "$0")/study.sh"
"${TRAIN[@]}" hydra.sweep.dir="$OUT/sweeps/lambda" \
    'hydra.sweep.subdir=${loss.motion.reference}/${loss.motion.weight}/seed${seed}' \
    experiment="${EXPERIMENT:-dual_motion}" 'name=lambda' seed="$SEEDS" \
    loss.motion.weight="${LAMBDAS:-0.0,0.03,0.1,0.3,1.0,3.0}" \
    loss.motion.reference="${REFERENCES:-zero,target}" "$@"
