"""Where clips come from: one protocol, the rendered benchmark behind it, and several in one."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from diffmvr.data.synthetic import render_clip
from diffmvr.structures import Clip


class ClipSource(Protocol):
    """A numbered set of clips that knows whose they are without reading them.

    Attributes:
        subject_ids: the person of each clip.
        test_people: who is kept for tests: never trained or validated with, whatever the settings
            say.  Where there is nobody, the settings decide.
        description: what the clips are made of, for model cards.
    """

    subject_ids: Sequence[str]
    test_people: Sequence[str]
    description: str

    def __len__(self) -> int:
        """Return the number of clips."""
        ...

    def __getitem__(self, index: int) -> Clip:
        """Read or render one clip."""
        ...


class SyntheticClips:
    """The rendered benchmark: clip i is exact and the same on every run.

    Args:
        seed: benchmark seed; another seed is another set of people.
        subjects: number of people.
        clips_per_subject: clips of each.
        num_frames: frames of a clip.
        size: side of the square frames in pixels, 64 to 512.
        first_subject: number of the first person, so that sets can be told apart.
        mask_type: ``segmentation`` (the occluder's outline) or ``bbox`` (its bounding rectangle).
        acts: how often the state changes and something covers the face, see ``render_clip``.
    """

    def __init__(
        self,
        seed: int = 0,
        subjects: int = 300,
        clips_per_subject: int = 2,
        num_frames: int = 16,
        size: int = 64,
        first_subject: int = 0,
        mask_type: str = "segmentation",
        acts: int = 1,
    ) -> None:
        if subjects < 1 or clips_per_subject < 1:
            raise ValueError(
                "subjects and clips_per_subject: expected at least 1, "
                f"got {subjects} and {clips_per_subject}"
            )
        if mask_type not in ("segmentation", "bbox"):
            raise ValueError(f"mask_type: expected segmentation or bbox, got {mask_type!r}")
        self.test_people: Sequence[str] = ()
        self.description = f"{subjects} rendered people, seed {seed}"
        self.seed = seed
        self.num_frames = num_frames
        self.size = size
        self.mask_type = mask_type
        self.acts = acts
        self._scenes = [
            (first_subject + subject, clip)
            for subject in range(subjects)
            for clip in range(clips_per_subject)
        ]
        self.subject_ids = [f"{subject:05d}" for subject, _ in self._scenes]

    def __len__(self) -> int:
        return len(self._scenes)

    def __getitem__(self, index: int) -> Clip:
        subject, clip = self._scenes[index]
        scene = render_clip(
            *(self.seed, subject, clip),
            size=self.size,
            num_frames=self.num_frames,
            acts=self.acts,
        )
        return scene.with_mask(scene.box_mask) if self.mask_type == "bbox" else scene


class JoinedClips:
    """Several sources as one: the clips of the first, then those of the second, and so on.

    People whom one source keeps for tests are kept.  Then all people of a source that keeps nobody
    train or validate; where no source keeps anybody, the settings decide.

    Args:
        sources: the sources by name.
        size: side of the frames in pixels, of all of them.

    Attributes:
        subject_ids: the person of each clip.
        test_people: whom the sources keep for tests.
        description: what each source is made of.

    Raises:
        ValueError: if there is no source, or two have a person of the same name.
    """

    def __init__(self, sources: Mapping[str, ClipSource], size: int) -> None:
        if not sources:
            raise ValueError("sources: expected at least one source of clips, got none")
        self.size = size
        self._sources = dict(sources)
        self._places = [
            (name, index) for name, source in sources.items() for index in range(len(source))
        ]
        owner: dict[str, str] = {}
        for name, source in sources.items():
            for person in {*source.subject_ids}:
                if person in owner:
                    raise ValueError(
                        f"sources: {owner[person]} and {name} both have a person called "
                        f"{person!r}; people who are the same must not be on both sides of a "
                        "split, and others need other names"
                    )
                owner[person] = name
        self.subject_ids = [person for source in sources.values() for person in source.subject_ids]
        self.test_people = [name for source in sources.values() for name in source.test_people]
        self.description = "; ".join(source.description for source in sources.values())

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Clip:
        """Read or render one clip.

        Raises:
            ValueError: if its frames are not of the size that was named.
        """
        name, own = self._places[index]
        clip = self._sources[name][own]
        if clip.observed.shape[1:3] != (self.size, self.size):
            height, width = clip.observed.shape[1:3]
            raise ValueError(
                f"sources: expected frames of {self.size} x {self.size} pixels, got {width} x "
                f"{height} from {name}; set data.source.sources.{name}.size={self.size}, with "
                'pretrain without "data."'
            )
        return clip
