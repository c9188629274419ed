#!/usr/bin/env bash
# Whether 300 steps are too few: both guides with the paper's pathway, trained for longer.  The rivals
# of Tables 1 and 2 have 1000 steps.  See study.sh for the settings; BUDGETS besides.
source "$(dirname "$0")/study.sh"
"${TRAIN[@]}" hydra.sweep.dir="$OUT/sweeps/budget" \
    'hydra.sweep.subdir=${trainer.max_steps}/seed${seed}' \
    experiment=dual_motion 'name=budget' seed="$SEEDS" \
    trainer.max_steps="${BUDGETS:-300,1000}" "$@"
