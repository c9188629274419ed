#!/usr/bin/env bash
# Number of sampling steps.  MODEL is a trained model's folder; without it, the one that ships.
source "$(dirname "$0")/study.sh"
"${EVALUATE[@]}" hydra.sweep.dir="$OUT/sweeps/steps" \
    'hydra.sweep.subdir=${num_inference_steps}' weights="${MODEL:-null}" \
    'restorers=[diffmvr]' name=steps num_inference_steps="${SAMPLING_STEPS:-1,2,4,8,16}" "$@"
