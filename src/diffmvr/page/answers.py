"""What the page does, as functions that Gradio calls with the visitor's session first."""

from collections.abc import Callable, Iterator
from typing import Any

# Gradio looks for the type of the first argument, and for "yield".


def at_once(action: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that answers once."""
    import gradio as gr

    def answer(request: gr.Request, *values: Any) -> Any:
        return action(str(request.session_hash), *values)

    return answer


def step_by_step(action: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Return a function that answers again and again."""
    import gradio as gr

    def answer(request: gr.Request, *values: Any) -> Iterator[Any]:
        yield from action(str(request.session_hash), *values)

    return answer
