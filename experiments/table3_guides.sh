#!/usr/bin/env bash
# Table 3: which guides?  Motion loss on throughout.  See study.sh for the settings.
source "$(dirname "$0")/study.sh"
"${TRAIN[@]}" "${SIX[@]}" \
    experiment=dual_motion,symmetric_motion,motion,present_motion "$@"
