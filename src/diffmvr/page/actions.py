"""What the buttons of the page do, without a word about how the page looks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from diffmvr.page.camera_run import CameraRun
from diffmvr.page.comparison import Result, read_result
from diffmvr.page.correction import FoundPlan
from diffmvr.page.examples import EXAMPLE, render_example
from diffmvr.page.jobs import Job, Progress
from diffmvr.page.settings import AppSettings
from diffmvr.page.workspace import Workspace
from diffmvr.structures import UInt8Array

STEP = 0.5
"""Seconds between two looks at how far a command has come."""


class CancelledError(Exception):
    """The user asked a command to end."""


def open_example(space: Workspace) -> str:
    """Render a recording into a visitor's folder, once, and return its name."""
    target = space.root / "recordings" / EXAMPLE
    if not target.exists():
        # Whoever looks meanwhile sees no half-written film.
        partial = space.root / EXAMPLE
        render_example(partial)
        partial.rename(target)
    return EXAMPLE


def restore_arguments(
    space: Workspace,
    name: str,
    settings: AppSettings,
    *,
    pictures: Sequence[str] = (),
    mask: Path | None = None,
    mark: bool = False,
) -> list[str]:
    """Return what ``diffmvr.restore`` is told; its paths are relative to the visitor's folder.

    Args:
        space: the visitor's folder.
        name: of the recording.
        settings: of the page.
        pictures: names of the user's own pictures of the person, which join the clear frames.
        mask: what hides the face; ``None``: it is found.
        mark: whether synthesised pixels are marked for the eye.
    """
    arguments = [
        f"input={space.recording(name).relative_to(space.root)}",
        f"output={space.result(name).relative_to(space.root)}",
        "concat=true",
        "overlay=doubt",
        *settings.overrides,
    ]
    if pictures:
        arguments.append(f"guides.past=[{','.join(f'pictures/{one}' for one in pictures)}]")
    if mask is not None:
        arguments.append(f"mask={mask.relative_to(space.root)}")
    if mark:
        arguments.append("mark=corner")
    return [*arguments, *face_argument(space, name)]


def face_argument(space: Workspace, name: str) -> list[str]:
    """Return what a command is told of the face that the visitor has chosen, if any."""
    if name not in space.faces:
        return []
    x, y = space.faces[name]
    return [f"face_at=[{x},{y}]"]


def restore(
    space: Workspace,
    name: str,
    settings: AppSettings,
    pictures: Sequence[str],
    mark: bool,
) -> Iterator[Progress]:
    """Restore a recording, and yield how far it has come; what it had been restored to goes.

    Raises:
        CancelledError: if the user asked it to end; the next one goes on from there.
        ValueError: in the command's own words if it failed.
    """
    if (space.result(name) / "report.json").is_file():
        space.forget(name)
    plan = space.plans.get(name)
    drawn = None if plan is None else plan.corrected
    mask = drawn or space.masks.get(name)
    arguments = restore_arguments(space, name, settings, pictures=pictures, mask=mask, mark=mark)
    yield from run(space, "restore", arguments)


def look(space: Workspace, name: str, settings: AppSettings) -> Iterator[Progress]:
    """Find the face, and what hides it, as a restoration would, and yield how far that has come.

    Raises:
        CancelledError: if the user asked it to end.
        ValueError: in the command's own words if it failed, as where no face was found.
    """
    folder = space.plan(name)
    if not (folder / "plan.json").is_file():
        recording = space.recording(name)
        arguments = [
            f"input={recording.relative_to(space.root)}",
            f"output={folder.relative_to(space.root)}",
            *settings.overrides,
        ]
        if name in space.masks:
            arguments.append(f"mask={space.masks[name].relative_to(space.root)}")
        arguments += face_argument(space, name)
        yield from run(space, "page.look", arguments)
    if name not in space.plans:
        space.plans[name] = FoundPlan(space.recording(name), folder)


def run(space: Workspace, module: str, arguments: Sequence[str]) -> Iterator[Progress]:
    """Run a command for a visitor, one at a time, and yield how far it has come.

    Raises:
        CancelledError: if the user asked it to end.
        ValueError: in the command's own words if it failed, or if one runs already.
    """
    with space.lock:
        if space.job is not None and space.job.running:
            raise ValueError("something runs already; wait for its end, or press Cancel")
        job = space.job = Job(module, arguments, space.root)
    try:
        while not job.wait(STEP):
            yield job.progress
    finally:
        # The page was closed, and nobody reads any more.
        job.cancel()
    if job.cancelled:
        raise CancelledError
    if not job.succeeded:
        raise ValueError(job.error)


def hand_camera(space: Workspace, image: UInt8Array, settings: AppSettings) -> CameraRun:
    """Hand in a frame ``[H, W, 3]`` of a visitor's camera, and return what restores it.

    What has ended, since no frame came for a while or frames had another size, is begun again;
    what has failed is only after a pause of the camera.
    """
    with space.lock:
        run = space.camera
        if run is not None and (run.idle or not (run.running or run.state.error)):
            run.close()
            run = None
        if run is None:
            run = CameraRun(settings.overrides, space.root)
            space.camera = run
    run.hand(image)
    return run


def cancel(space: Workspace) -> bool:
    """End what runs for a visitor, as Ctrl-C does; return whether something ran."""
    job = space.job
    if job is None or not job.running:
        return False
    job.cancel()
    return True


def result(space: Workspace, name: str) -> Result:
    """Return what a recording was restored to.

    Raises:
        ValueError: if it was not restored.
    """
    folder = space.result(name)
    if not (folder / "report.json").is_file():
        raise ValueError(f"{name}: it is not restored yet; press Restore first")
    return read_result(space.recording(name), folder, space.root / "pairs" / name)
