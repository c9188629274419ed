# Sourced by the scripts of the study: what all of their jobs have in common.
#
# Every job has a fixed folder, so a script may be stopped and given again: what has finished is
# skipped, what was stopped goes on from its newest checkpoint (`ledger=true`).  Settings:
#   OUT     folder of the study             SEEDS   seeds of the training runs
#   STEPS   optimizer steps of a run        MASKS   kinds of masks
#   PYTHON  which Python                    further arguments go to every job, such as
#   'encodings=FOLDER/${mask.type}', what python -m diffmvr.cache wrote for each kind of masks
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON=${PYTHON:-.venv/bin/python}
OUT=${OUT:-outputs/study}
SEEDS=${SEEDS:-0,1,2}
STEPS=${STEPS:-300}
MASKS=${MASKS:-segmentation,bbox}
export OMP_NUM_THREADS=1

# One base, one budget, one set of test people (63, one clip each).  The floor and the rivals are
# scored once, by table1_2_baselines.sh, on the same clips.
TRAIN=(
    "$PYTHON" -m diffmvr.train --multirun
    ledger=true threads=1 logger=csv
    trainer.max_steps="$STEPS" trainer.val_check_interval="$((STEPS < 100 ? STEPS : 100))"
    evaluation.clips_per_subject=1 'evaluation.restorers=[]'
)
EVALUATE=("$PYTHON" -m diffmvr.evaluate --multirun ledger=true threads=1 clips_per_subject=1)
# The seed varies slowest, so that every table is whole with one seed before the next one begins.
SIX=(
    hydra.sweep.dir="$OUT/six" 'hydra.sweep.subdir=${name}/${mask.type}/seed${seed}'
    seed="$SEEDS" mask="$MASKS"
)
