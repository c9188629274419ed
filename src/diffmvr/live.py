"""``python -m diffmvr.live input=0 output=FOLDER``: restore while the camera runs.

The same walk as ``restore``, over frames that are read once; see ``conf/restore/live.yaml``.
"""

import logging

from omegaconf import DictConfig

from diffmvr.cli import entry_point
from diffmvr.hidden_packages import begin_restoration
from diffmvr.restoration.live.run import DISK_IS_FULL, LiveRun
from diffmvr.restoration.live.settings import LiveSettings

log = logging.getLogger(__name__)


@entry_point("live", "restore")
def main(config: DictConfig) -> None:
    """Run live what the composed configuration names."""
    report = LiveRun(LiveSettings.from_config(config)).run()
    if report["ended"] == DISK_IS_FULL:
        raise ValueError(
            f"output: {DISK_IS_FULL} after {report['shown']} frames; what fitted is "
            "kept; make room, or give another folder"
        )
    log.info(
        "%s: %d frames captured, %d dropped, %d shown (%d restored), %s frames/s, latency p50 %s s,"
        " p95 %s s",
        *(report["ended"], report["captured"], report["dropped"], report["shown"]),
        *(report["restored"], report["frames_per_second"]),
        *(report["latency_p50"], report["latency_p95"]),
    )


if __name__ == "__main__":
    begin_restoration()
    main()
