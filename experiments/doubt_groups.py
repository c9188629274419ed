"""Does doubt keep its promise alike for all: by age, gender and skin tone, hidden share and age.

What is measured of each person (``people.csv``) is put beside who that person is: London's age and
gender are those of the set's own table, and skin tones are apparent angles of a picture without
anything before the face (``skin_tone.py``).  Of the talking people skin alone is known.
"""

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from doubt_study import LEVEL
from skin_tone import CLASSES, DARKEST, apparent_ita, skin_class

from diffmvr.picture_files import open_picture
from diffmvr.preprocessing.landmarks import FaceLandmarker
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.structures import UInt8Array

AGES = ((0, 25, "under 25"), (25, 35, "25 to 34"), (35, 200, "35 and older"))
"""Years, the first included."""

SMALL = 5
"""Of fewer people a mean says little."""

TRAITS = {
    "age group": [name for *_, name in AGES],
    "gender": ["female", "male"],
    "skin tone": [*(name for _, name in CLASSES), DARKEST],
}
_FIRST_FRAMES = 24


def describe(shared: Path, people: list[str], landmarker: FaceLandmarker) -> pl.DataFrame:
    """Return who people are: ``person``, ``age_group``, ``gender``, ``ita`` and ``skin_tone``.

    Args:
        shared: the folder that holds ``data/faces``, ``data/grid`` and ``data/london``.
        people: as in ``people.csv``, e.g. ``london_test/004``; rendered ones are left out.
        landmarker: finds the cheeks.
    """
    london = pl.read_csv(shared / "data/london/people.csv", infer_schema=False)
    known = {row["face_id"]: row for row in london.iter_rows(named=True)}
    rows: list[dict[str, Any]] = []
    for person in people:
        source, _, name = person.partition("/")
        if source == "rendered":
            continue
        picture, own = _clear_picture(shared, source, name, landmarker), known.get(name, {})
        angle = None if picture is None else apparent_ita(*picture)
        rows.append(
            {
                "person": person,
                "age group": _age_group(own.get("face_age")),
                "gender": own.get("face_gender"),
                "ita": angle,
                "skin tone": None if angle is None else skin_class(angle),
            }
        )
    schema = dict.fromkeys(("person", *TRAITS), pl.String) | {"ita": pl.Float64}
    return pl.DataFrame(rows, schema=schema).select("person", *TRAITS, "ita")


def by_trait(people: pl.DataFrame, traits: pl.DataFrame) -> pl.DataFrame:
    """Return the coverage of each group of people, with N and its standard error over people.

    Args:
        people: one row a person and method, as ``doubt_study.by_person`` makes them.
        traits: what ``describe`` returns.
    """
    joined = people.filter(pl.col("method") == "calibrated").join(traits, on="person")
    parts = []
    for trait, values in TRAITS.items():
        order = pl.Enum(values)
        named = joined.filter(pl.col(trait).is_not_null()).with_columns(
            trait=pl.lit(trait), value=pl.col(trait)
        )
        grouped = named.group_by("group", "trait", "value", maintain_order=True).agg(
            people=pl.len(),
            coverage=pl.col("coverage").mean(),
            standard_error=pl.when(pl.len() > 1).then(pl.col("coverage").std() / pl.len().sqrt()),
            least=pl.col("coverage").min(),
            half_width=pl.col("half_width").mean(),
            mean_error=pl.col("mean_error").mean(),
        )
        parts.append(grouped.sort("group", pl.col("value").cast(order), maintain_order=True))
    return pl.concat(parts).sort("group", maintain_order=True)


def groups_markdown(traits: pl.DataFrame, circumstances: pl.DataFrame) -> str:
    """Return one table of people's groups and of circumstances; small groups are said to be so.

    Args:
        traits: what ``by_trait`` returns.
        circumstances: what ``doubt_study.by_circumstance`` returns.
    """
    lines = [
        "| People | By | Group | N | Coverage ± s.e. | Least of a person | Mean half width |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in traits.iter_rows(named=True):
        error = row["standard_error"]
        reach = "" if error is None else f" ± {error:.3f}"
        lines.append(
            f"| {row['group']} | {row['trait']} | {row['value']} | {_count(row['people'])} | "
            f"{row['coverage']:.3f}{reach} | {row['least']:.3f} | {row['half_width']:.1f} |"
        )
    for row in circumstances.iter_rows(named=True):
        share = row["circumstance"] == "hidden share"
        tell = _percent if share else _seconds
        what = "hidden share of the face" if share else "age of the nearest clear view"
        lines.append(
            f"| {row['group']} | {what} | {tell(row['from'], row['to'])} | "
            f"{_count(row['people'])} | {row['coverage']:.3f} |  | {row['half_width']:.1f} |"
        )
    note = (
        f"Promised {LEVEL:.2f}, on the mean over people. N: people; *few*: fewer than {SMALL}, of "
        "whom a mean says little. Skin tone: apparent ITA of the cheeks in one picture, whose "
        "light and camera nobody has calibrated; no age or gender is known of the talking people."
    )
    return "\n".join(lines) + f"\n\n{note}\n"


def _clear_picture(
    shared: Path, source: str, name: str, landmarker: FaceLandmarker
) -> tuple[UInt8Array, Any] | None:
    """Return a picture of a person with nothing before the face, and its landmarks."""
    suffix = {"faces": ".mp4", "grid": ".mpg"}.get(source, "_neutral.jpg")
    path = shared / "data" / source.removesuffix("_test") / f"{name}{suffix}"
    if not path.is_file():
        return None
    if suffix == "_neutral.jpg":
        with open_picture(path, "london") as picture:
            # Half a megapixel is enough of skin.
            picture.thumbnail((768, 768))
            image = np.asarray(picture.convert("RGB"), np.uint8)
        points = landmarker.detect(image)
        return None if points is None else (image, points)
    for frame in islice(open_frames(path), _FIRST_FRAMES):
        points = landmarker.detect(frame.image)
        if points is not None:
            return frame.image, points
    return None


def _age_group(age: str | None) -> str | None:
    if age is None or not age.isdigit():
        # Some have told no age.
        return None
    return next((name for low, high, name in AGES if low <= int(age) < high), None)


def _count(people: int) -> str:
    return f"{people} (few)" if people < SMALL else str(people)


def _percent(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * min(high, 1):.0f} %"


def _seconds(low: float, high: float) -> str:
    return f"{low:g} s and more" if high == np.inf else f"{low:g} to {high:g} s"
