#!/usr/bin/env bash
# Table 4: what do the second guide and the motion loss bring?  See study.sh for the settings.
# `motion` and `dual_motion` are in Table 3 too: whichever script comes second finds them finished.
source "$(dirname "$0")/study.sh"
"${TRAIN[@]}" "${SIX[@]}" experiment=baseline,dual,motion,dual_motion "$@"
