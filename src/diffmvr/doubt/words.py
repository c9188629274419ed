"""Why a frame is doubtful, in words for whoever looks after the patient."""

from collections.abc import Mapping

from diffmvr.doubt.sight import Sight

LATE, MUCH_HIDDEN = 2.0, 0.5
"""A clear view is long ago after so many seconds; from that share on much of the face is hidden."""

BECAUSE = {
    "disagreement": "earlier views of the face differ where it is hidden",
    "missed": "what is visible moves otherwise than in any earlier view",
    "mirrored": "the two halves of the face do not look alike",
    "correction": "the model has changed much of what earlier views show",
    "unseen": "no earlier view shows all that is hidden",
    "depth": "the hidden part is large, and far from what is visible",
    "contrast": "much detail is hidden",
    "trial_error": "clear moments of this recording, hidden as a test, came out wrong",
}
"""What the features say that have no number of their own."""


def clock(seconds: float) -> str:
    """Return a time of a recording as minutes and seconds.

    >>> clock(41.4), clock(3725)
    ('00:41', '1:02:05')
    """
    whole = max(int(seconds), 0)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def reasons(
    sight: Sight,
    means: Mapping[str, float],
    usual: Mapping[str, Mapping[str, float]],
    shares: Mapping[str, float],
    at_least_one: bool,
) -> tuple[str, ...]:
    """Say what is unusual of a frame.

    Args:
        sight: the frame.
        means: mean of each feature over the hole.
        usual: what is usual of each; see ``DoubtModel``.
        shares: what each adds to the expected error.
        at_least_one: whether the largest part is said where nothing is unusual.
    """
    said = []
    if sight.age is None:
        said.append("no clear view of the face in this recording so far")
    elif abs(sight.age) >= LATE:
        said.append(_age(sight))
    if sight.hidden_share >= MUCH_HIDDEN:
        said.append(_hidden(sight))
    said += [text for name, text in BECAUSE.items() if means[name] > usual[name]["high"]]
    beyond = [name for name in means if means[name] > 1.1 * usual[name]["most"]]
    if beyond:
        said.append("nothing like it was seen when this doubt was calibrated")
    if said or not at_least_one:
        return tuple(said)
    largest = max((name for name in shares if name != "always"), key=lambda name: shares[name])
    if largest == "age" and sight.age is not None:
        return (_age(sight),)
    if largest == "missed_around":
        largest = "missed"
    return (BECAUSE.get(largest, _hidden(sight)),)


def _age(sight: Sight) -> str:
    assert sight.age is not None
    if sight.age < 0:
        return f"no clear view of the face within {-sight.age:.0f} s"
    return f"no clear view of the face since {clock(sight.time - sight.age)}"


def _hidden(sight: Sight) -> str:
    return f"{sight.hidden_share:.0%} of the face is hidden".replace("%", " %")
