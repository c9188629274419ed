"""What the page does when something is pressed: actions, and what is shown of them.

Every method is given the session first, by which Gradio tells the visitors apart.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from diffmvr.page import actions
from diffmvr.page.correction import FoundPlan
from diffmvr.page.settings import AppSettings
from diffmvr.page.wording import (
    LARGEST,
    face_names,
    told,
    told_camera,
    told_doubt,
    told_progress,
    told_result,
)
from diffmvr.page.workspace import Visitors, Workspace

log = logging.getLogger(__name__)


class Events:
    """What the buttons do.

    Args:
        visitors: the folders of those who have the page open.
        settings: of the page.
    """

    def __init__(self, visitors: Visitors, settings: AppSettings) -> None:
        self._visitors = visitors
        self._settings = settings

    def begin(self, session: str) -> tuple[Any, str]:
        """Begin anew; a page that is loaded again has a new session."""
        return self._recordings(self._space(session)), told("No recording is open yet.")

    def leave(self, session: str) -> None:
        """Remove everything of a page that was closed or loaded again."""
        self._visitors.leave(session)

    def open(self, session: str, files: Sequence[str] | None) -> tuple[Any, Any, str]:
        """Take uploaded recordings."""
        space = self._space(session)
        try:
            names = space.take(list(files or ()), most=self._settings.max_mib)
        except ValueError as error:
            return None, self._recordings(space), told(str(error), error=True)
        chosen = names[0] if names else None
        return None, self._recordings(space, chosen), _opened(space)

    def open_example(self, session: str) -> tuple[Any, str]:
        """Render a recording and open it."""
        space = self._space(session)
        name = actions.open_example(space)
        return self._recordings(space, name), _opened(space)

    def restore(
        self,
        session: str,
        name: str | None,
        pictures: Sequence[str] | None,
        mark: bool,
    ) -> Iterator[tuple[Any, ...]]:
        """Restore the chosen recording."""
        yield from self._restore(self._space(session), [name] if name else [], pictures, mark)

    def restore_all(
        self,
        session: str,
        name: str | None,
        pictures: Sequence[str] | None,
        mark: bool,
    ) -> Iterator[tuple[Any, ...]]:
        """Restore every recording that is open, one after the other."""
        space = self._space(session)
        names = space.recordings
        if name in names:
            # What is shown in the end is the one that is chosen.
            names = [*(one for one in names if one != name), str(name)]
        yield from self._restore(space, names, pictures, mark)

    def wait(self, session: str) -> str:
        """Say at once that something was asked for; one visitor is served after the other."""
        self._space(session).wanted = True
        if self._visitors.busy:
            return told("Waiting until the recording of another visitor is done.")
        return told("Starting.")

    def cancel(self, session: str) -> Any:
        """End what runs, or let what waits not begin."""
        import gradio as gr

        space = self._space(session)
        space.wanted = False
        return gr.skip() if actions.cancel(space) else told("Cancelled.")

    def give_mask(self, session: str, name: str | None, file: str | None) -> tuple[Any, ...]:
        """Take what hides the face of the chosen recording; ``None``: it is found again."""
        space = self._space(session)
        if not name:
            return _unseen(told("Open a recording first, or the example.", error=True))
        try:
            space.give_mask(name, file, self._settings.max_mib)
        except ValueError as error:
            return _unseen(told(str(error), error=True))
        text = "What hides the face will be found." if file is None else f"{name} has a mask now."
        return _unseen(told(text))

    def watch(self, session: str, image: Any) -> str:
        """Take a frame of the camera, and show the one that was restored last."""
        if image is None:
            return told_camera(None, None)
        run = actions.hand_camera(self._space(session), image, self._settings)
        return told_camera(run.latest, run.state)

    def look(self, session: str, name: str | None) -> Iterator[tuple[Any, ...]]:
        """Show where the face and what hides it are found."""
        import gradio as gr

        space = self._space(session)
        same = gr.skip(), gr.skip(), gr.skip(), gr.skip()
        if not space.wanted:
            yield (told("Cancelled."), *same)
            return
        if not name:
            yield (told("Open a recording first, or the example.", error=True), *same)
            return
        try:
            for progress in actions.look(space, name, self._settings):
                yield (told_progress(progress), *same)
        except actions.CancelledError:
            yield (told("Cancelled."), *same)
            return
        except ValueError as error:
            yield (told(str(error), error=True), *same)
            return
        yield self._seen(space, name)

    def choose(self, session: str, name: str | None, whose: str) -> str:
        """Take whose face is meant; what was found is looked for anew."""
        space = self._space(session)
        plan = space.plans.get(str(name))
        if plan is not None and name:
            names = face_names(len(plan.faces))
            chosen = plan.faces[names.index(whose)] if whose in names else None
            centre = None
            if chosen is not None:
                x0, y0, x1, y1 = chosen
                centre = max(0, round((x0 + x1) / 2)), max(0, round((y0 + y1) / 2))
            space.choose_face(name, centre)
        return self.wait(session)

    def look_away(self, session: str, name: str | None) -> tuple[Any, ...]:
        """Show what was found in another recording, if it was looked for, and its mask if given."""
        space = self._space(session)
        given = space.masks.get(str(name))
        mask = None if given is None else str(given)
        if name in space.plans:
            return (*self._seen(space, str(name)), mask)
        return (*_unseen(told("")), mask)

    def look_at(self, session: str, name: str | None, place: float) -> Any:
        """Show another frame."""
        import gradio as gr

        plan = self._space(session).plans.get(str(name))
        return gr.skip() if plan is None else _editor(plan, int(place))

    def correct(
        self, hides: bool, session: str, name: str | None, place: float, drawn: Any, scope: str
    ) -> tuple[str, Any]:
        """Take what was drawn as hidden, or as not hidden."""
        import gradio as gr

        plan = self._space(session).plans.get(str(name))
        if plan is None or not drawn:
            return told("Show the face first.", error=True), gr.skip()
        changed = plan.correct(_frame(plan, int(place)), drawn["layers"], hides, scope)
        if not changed:
            return told("That changes nothing; draw on the picture first."), gr.skip()
        text = f"The masks of {changed} of {len(plan.rows)} frames are corrected; now restore."
        return told(text), _editor(plan, int(place))

    def show(self, session: str, name: str | None) -> tuple[Any, ...]:
        """Show the result of a recording, if it has one."""
        space = self._space(session)
        if name not in space.recordings or not space.result(str(name)).is_dir():
            return self._nothing()
        try:
            return self._shown(space, str(name))
        except (ValueError, OSError):
            return self._nothing()

    def show_frame(self, session: str, name: str | None, place: float) -> Any:
        """Show another frame before and after."""
        import gradio as gr

        space = self._space(session)
        pairs = space.pairs.get(str(name), ())
        if not pairs:
            return gr.skip()
        pair = pairs[max(0, min(int(place), len(pairs)) - 1)]
        return _slider(pair)

    def _restore(
        self, space: Workspace, names: Sequence[str], pictures: Sequence[str] | None, mark: bool
    ) -> Iterator[tuple[Any, ...]]:
        import gradio as gr

        nothing = tuple(gr.skip() for _ in self._nothing())
        if not space.wanted:
            yield (told("Cancelled."), *nothing)
            return
        if not names:
            yield (told("Open a recording first, or the example.", error=True), *nothing)
            return
        failed: list[str] = []
        try:
            own = space.take(list(pictures or ()), "pictures", self._settings.max_mib)
            for number, name in enumerate(names, start=1):
                if not space.wanted:
                    raise actions.CancelledError
                which = f"{number} of {len(names)}: {name}" if len(names) > 1 else ""
                try:
                    told_of = actions.restore(space, name, self._settings, own, mark)
                    for progress in told_of:
                        yield (told_progress(progress, which), *nothing)
                except ValueError as error:
                    # The others of a batch are restored all the same.
                    failed.append(f"{name}: {error}" if which else str(error))
        except actions.CancelledError:
            yield (told("Cancelled. Nothing was written; Restore goes on from here."), *nothing)
            return
        except ValueError as error:
            failed.append(str(error))
        last = names[-1]
        done = told("; ".join(failed), error=True) if failed else told("Done.")
        restored = (space.result(last) / "report.json").is_file()
        yield (done, *(self._shown(space, last) if restored else self._nothing()))

    def _shown(self, space: Workspace, name: str) -> tuple[Any, ...]:
        import gradio as gr

        result = actions.result(space, name)
        space.pairs[name] = result.pairs
        count = len(result.pairs)
        first = result.pairs[count // 2] if count else None
        return (
            gr.update(visible=True),
            _slider(first) if first else None,
            gr.update(
                minimum=1,
                maximum=max(2, count),
                value=count // 2 + 1,
                visible=count > 1,
                label=f"Shown frame (1 to {count} of those that were restored)",
            ),
            None if result.film is None else str(result.film),
            told_doubt(result.doubt),
            told_result(result),
            str(space.packed(name)),
        )

    def _seen(self, space: Workspace, name: str) -> tuple[Any, ...]:
        import gradio as gr

        plan = space.plans[name]
        count = len(plan.shown)
        hidden = sum(row.get("restored", False) for row in plan.rows)
        none = sum(row["person"] is None for row in plan.rows)
        text = f"Something hides the face in {hidden} of {len(plan.rows)} frames."
        if none:
            text += f" In {none} frames no face was found."
        middle = (count + 1) // 2
        slider = gr.update(maximum=max(2, count), value=middle, visible=count > 1)
        names = face_names(len(plan.faces))
        whose = gr.update(
            choices=[LARGEST, *names],
            value=_chosen(space.faces.get(name), plan.faces, names),
            visible=len(names) > 1,
        )
        return told(text), gr.update(visible=True), _editor(plan, middle), slider, whose

    def _nothing(self) -> tuple[Any, ...]:
        import gradio as gr

        return gr.update(visible=False), None, gr.update(), None, "", "", None

    def _space(self, session: str) -> Workspace:
        return self._visitors.of(session)

    def _recordings(self, space: Workspace, chosen: str | None = None) -> Any:
        import gradio as gr

        return gr.update(choices=space.recordings, value=chosen)


def _slider(pair: Any) -> Any:
    import gradio as gr

    return gr.update(
        value=(str(pair.before), str(pair.after)),
        label=f"Before (left) and after (right): frame {pair.index}, {pair.seconds:.2f} s",
    )


def _chosen(
    at: tuple[int, int] | None, faces: Sequence[Sequence[float]], names: Sequence[str]
) -> str:
    """Return what the face is called that a point is in."""
    if at is not None:
        for (x0, y0, x1, y1), name in zip(faces, names, strict=True):
            if x0 <= at[0] <= x1 and y0 <= at[1] <= y1:
                return name
    return LARGEST


def _frame(plan: FoundPlan, place: int) -> int:
    return plan.shown[max(0, min(place, len(plan.shown)) - 1)]


def _editor(plan: FoundPlan, place: int) -> Any:
    return {"background": plan.look(_frame(plan, place)), "layers": [], "composite": None}


def _opened(space: Workspace) -> str:
    count = len(space.recordings)
    return told(f"{count} recording{'s are' if count > 1 else ' is'} open.")


def _unseen(text: str) -> tuple[Any, ...]:
    """Return a text, and what was found hidden, as long as nothing was looked for."""
    import gradio as gr

    return text, gr.update(visible=False), None, gr.skip(), gr.update(visible=False)
