"""What ``python -m diffmvr.restore`` can be told."""

from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from omegaconf import DictConfig

from diffmvr.checks import check_box, check_name, check_number, check_one_of
from diffmvr.parsing import parse_rate, read_settings, user_path
from diffmvr.preprocessing.guides import check_alignment
from diffmvr.preprocessing.occlusion import DETECTED
from diffmvr.preprocessing.video_writer import CRF
from diffmvr.provenance.mark import MARKS
from diffmvr.restoration.abstention import SHOWN_AS
from diffmvr.restoration.output import FORMATS
from diffmvr.restoration.recording import WITHOUT_FACE
from diffmvr.runs.shard import Shard
from diffmvr.structures import CLEAR_THRESHOLD, PastSelection

OVERLAYS = ("doubt",)
DEVICES = ("cpu", "cuda", "auto")
PATHS = (
    *("input", "mask", "output", "weights", "landmarker", "guides"),
    *("occluder_weights", "face_weights", "shard", "name", "sign", "plan"),
)


@dataclass(frozen=True)
class RestoreSettings:
    """What ``conf/restore/restore.yaml`` holds; every key is explained there.

    Raises:
        ValueError: if a value is unknown or out of range.
    """

    input: str
    output: str
    mask: str | None = None
    weights: str | None = None
    format: str = "mp4"
    concat: bool = False
    crf: int = CRF
    audio: bool = True
    landmarker: str | None = None
    face_box: list[float] | None = None
    face_at: list[float] | None = None
    detect: str = "segmentation"
    occluder_weights: str | None = None
    face_weights: str | None = None
    confidence: float = 0.5
    guides: dict[str, Any] = field(default_factory=dict)
    guide_scales: list[float] | None = None
    clear_threshold: float = CLEAR_THRESHOLD
    align_past: str = "layers"
    past: dict[str, Any] = field(default_factory=dict)
    steps: int = 1
    sampler: str | None = None
    seed: int = 0
    feather: float = 0.0
    past_detail: bool = True
    self_check: bool = True
    no_face: str = "fill"
    doubt: dict[str, Any] = field(default_factory=dict)
    abstain: float | None = None
    abstained: str = "occluder"
    overlay: str | None = None
    window: int = 16
    fps: str | None = None
    allow_truncated: bool = False
    keep_mib: int = 8192
    device: str = "auto"
    threads: int | None = None
    shard: str | None = None
    name: str | None = None
    sign: str | None = None
    mark: str = "none"
    keep_metadata: bool = False
    plan: bool = False

    def __post_init__(self) -> None:
        check_alignment(self.align_past, self.past_selection)
        self._check_guides()
        check_one_of("format", self.format, FORMATS)
        check_one_of("detect", self.detect, DETECTED)
        check_one_of("no_face", self.no_face, WITHOUT_FACE)
        check_one_of("device", self.device, DEVICES)
        check_one_of("mark", self.mark, MARKS)
        check_one_of("abstained", self.abstained, SHOWN_AS)
        if self.overlay is not None:
            check_one_of("overlay", self.overlay, OVERLAYS)
        self._check_doubt()
        check_number("crf", self.crf, 0, 51)
        # At once, and not where each is needed: that may be after hours.
        check_number("confidence", self.confidence, 0, 1)
        check_number("clear_threshold", self.clear_threshold, 0, 1)
        check_number("steps", self.steps, 1, 1000)
        check_number("feather", self.feather, 0, 10_000)
        check_number("window", self.window, 1, 10_000)
        check_number("keep_mib", self.keep_mib, 0, 2**40)
        check_number("seed", self.seed, 0, 2**63 - 1)
        if self.fps is not None:
            parse_rate("fps", self.fps)
        if self.face_box is not None:
            check_box("face_box", self.face_box)
        if self.face_at is not None:
            self._check_face_at(self.face_at)
        if self.threads is not None:
            check_number("threads", self.threads, 1, 1024)
        if self.name is not None:
            check_name("name", self.name)
        if self.shard is not None:
            Shard.parse(self.shard)

    @property
    def past_selection(self) -> PastSelection:
        """Which clear frames make the past guide: a bank of them where nothing else is said."""
        return PastSelection.from_settings({"select": "bank"} | self.past)

    @property
    def pictures(self) -> dict[str, list[str]]:
        """The user's own pictures by the guide that they are for; none where none is given."""
        given = {kind: one for kind, one in self.guides.items() if one not in (None, "")}
        return {kind: [one] if isinstance(one, str) else one for kind, one in given.items()}

    @property
    def mixed_pictures(self) -> list[str]:
        """A list of pictures, which clear frames are mixed with; one alone stands for a guide."""
        given = self.guides.get("past")
        listed = self.past_selection.mixes and isinstance(given, list)
        return self.pictures.get("past", []) if listed else []

    @property
    def tells_doubt(self) -> bool:
        """Whether it can be said how sure frames are: doubt is calibrated on mixtures."""
        replaced = "past" in self.pictures and not self.mixed_pictures
        return self.past_selection.select == "bank" and self.past_detail and not replaced

    @property
    def calibrated(self) -> dict[str, Any]:
        """What ``CalibratedJudge`` is told: the level, and a file that is not the shipped one."""
        told = {name: value for name, value in self.doubt.items() if value is not None}
        if "calibration" in told:
            told["calibration"] = user_path(str(told["calibration"]))
        return told

    def _check_doubt(self) -> None:
        """Require that what asks for doubt goes with what can tell it."""
        for name in self.doubt:
            check_one_of("doubt", name, ("level", "calibration"))
        if self.abstain is not None:
            check_number("abstain", self.abstain, 0, 255)
        asked = {"abstain": self.abstain, "overlay": self.overlay}
        for name, value in asked.items():
            if value is not None and not self.tells_doubt:
                raise ValueError(
                    f"{name}: how sure a frame is can be told with past.select=bank and "
                    "past_detail=true, and no one picture as guides.past, alone, got past.select="
                    f"{self.past_selection.select}, past_detail={str(self.past_detail).lower()} "
                    f"and guides.past={self.guides.get('past')}; change that, or leave {name} out"
                )

    def _check_face_at(self, at: list[float]) -> None:
        """Require one point, and no box, which says which face is meant, too."""
        if len(at) != 2 or not all(isfinite(value) and value >= 0 for value in at):
            raise ValueError(f"face_at: expected [x,y] in pixels, both 0 or more, got {at}")
        if self.face_box is not None:
            raise ValueError(
                f"face_at: face_box={self.face_box} says where the face is already, got {at}; "
                "leave one of them out"
            )

    def _check_guides(self) -> None:
        """Require text, or a list of texts where several pictures can be used."""
        past = self.past_selection
        for kind, given in self.pictures.items():
            if not isinstance(given, list) or not all(
                isinstance(one, str) and one for one in given
            ):
                raise ValueError(
                    f"guides.{kind}: expected a picture, or a list such as [a.png,b.png], got "
                    f"{self.guides[kind]!r}"
                )
            most = past.size if kind == "past" and past.mixes else 1
            if not 1 <= len(given) <= most:
                remedy = "give one"
                if kind == "past" and given:
                    other = (
                        "a larger past.size" if past.mixes else "past.select=bank to mix several"
                    )
                    remedy += f", or set {other}"
                expected = "one picture" if most == 1 else f"1 to {most} pictures"
                raise ValueError(f"guides.{kind}: expected {expected}, got {len(given)}; {remedy}")

    @classmethod
    def from_config(cls, config: DictConfig) -> "RestoreSettings":
        """Check the types of a composed configuration and wrap it.

        Raises:
            ValueError: naming the key that is missing or whose value has the wrong type.
        """
        needed = {
            "input": "a recording, got none; give input=VIDEO or a folder",
            "output": "a new folder, got none; give output=DIR",
        }
        return read_settings(cls, config, needed)

    def without_paths(self) -> dict[str, Any]:
        """Return the settings for a report: where this machine keeps things is left out."""
        told = {name: value for name, value in asdict(self).items() if name not in PATHS}
        return told | {"doubt": {k: v for k, v in self.doubt.items() if k != "calibration"}}
