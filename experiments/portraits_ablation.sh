#!/usr/bin/env bash
# The six experiments on photo-real clips of 56 people, scored on the 15 whom nobody trains with.
# See study.sh for the settings; CLIPS are made of each person, and DIFFMVR_SHARED holds data/london.
OUT=${OUT:-outputs/portraits_ablation}
SEEDS=${SEEDS:-0}
STEPS=${STEPS:-300}
MASKS=segmentation
source "$(dirname "$0")/study.sh"
PEOPLE=(
    data=portraits data.source.folder="$DIFFMVR_SHARED/data/london" data.source.clips_per_subject="${CLIPS:-2}"
)
[ -f "$OUT/encodings/cache.json" ] || "$PYTHON" -m diffmvr.cache output="$OUT/encodings" threads=1 "${PEOPLE[@]}"
# portraits_ablation.py scores all six in one go, on the same clips.
"${TRAIN[@]}" "${SIX[@]}" "${PEOPLE[@]}" encodings="$OUT/encodings" evaluation.restorers=null \
    experiment=baseline,motion,symmetric_motion,present_motion,dual,dual_motion "$@"
"$PYTHON" experiments/portraits_ablation.py --runs "$OUT/six"
