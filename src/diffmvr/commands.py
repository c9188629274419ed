"""``diffmvr COMMAND …``: the commands that ``python -m`` runs, by one name, and what there is.

A command is run as ``python -m`` runs it, in this process's place, so that both are the same.
Nothing heavy is imported before that.
"""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from types import MappingProxyType

import diffmvr

PROGRAM = "diffmvr"
USAGE_ERROR = 2

COMMANDS = MappingProxyType(
    {
        "Restore a recording": {
            "restore": "fill in what is hidden in a recording, or in a folder of them",
            "app": "a page in the browser that restores",
            "live": "the same while the camera runs",
            "merge": "put together what several jobs restored or scored",
            "verify": "was an output changed since it was made?",
            "keygen": "make a key that signs outputs",
            "doctor": "what this installation has, lacks and sends",
            "weights": "of others: what there is, where it must lie, what brings it",
        },
        "Prepare what is learnt from": {
            "preprocess": "recordings to a clip store: faces, masks, midlines, guides",
            "train_detector": "a detector of faces, or of what hides them",
            "cache": "run the frozen parts once, for many trainings",
        },
        "Train": {
            "train": "a model, or a sweep of them",
            "pretrain": "the small frozen parts",
            "train_inpainter": "a learned baseline",
            "tune_baseline": "the settings of a baseline",
        },
        "Score and publish": {
            "evaluate": "models and baselines on test people",
            "report": "tables and figures of many runs",
            "export": "a model for where diffmvr is not installed",
        },
    }
)
"""Every command and what it does, grouped by what a person wants."""


def main() -> None:
    """Run the command that the first argument names."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command, or tell which there are.

    Args:
        arguments: the command's name and its own arguments.

    Returns:
        The exit code where no command ran.
    """
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help", "help"):
        sys.stdout.write(overview())
        return 0
    if name in ("-V", "--version"):
        sys.stdout.write(f"{PROGRAM} {diffmvr.__version__}\n")
        return 0
    if name == "--completion":
        sys.stdout.write(completion())
        return 0
    known = [one for group in COMMANDS.values() for one in group]
    module = name.replace("-", "_")
    if module not in known:
        close = get_close_matches(module, known, n=1)
        meant = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)};"
        sys.stderr.write(f"error: there is no command {name!r}; {meant} {PROGRAM} --help\n")
        return USAGE_ERROR
    sys.stdout.flush()
    # -P: as a program, and unlike "python -m", it imports nothing from the current folder.
    os.execv(sys.executable, [sys.executable, "-P", "-m", f"diffmvr.{module}", *arguments[1:]])
    return 0


def completion() -> str:
    """Return a script for bash that completes commands, and by Hydra their settings."""
    names = " ".join(one for group in COMMANDS.values() for one in group)
    return f"""_diffmvr() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} command=${{COMP_WORDS[1]}}
    if (( COMP_CWORD == 1 )); then
        COMPREPLY=($(compgen -W "{names}" -- "$word"))
        return
    fi
    local line="{PROGRAM}${{COMP_LINE#*$command}}"
    local choices=$(COMP_LINE=$line {PROGRAM} "$command" -sc query=bash 2>/dev/null)
    COMPREPLY=($(compgen -o default -W "$choices" -- "$word"))
}}
COMP_WORDBREAKS=${{COMP_WORDBREAKS//=}}
complete -o nospace -o default -F _diffmvr {PROGRAM}
"""


def overview() -> str:
    """Return all commands, on one screen."""
    width = max(len(name) for group in COMMANDS.values() for name in group)
    lines = [
        f"{PROGRAM} COMMAND [key=value …]",
        "Restore the hidden part of a face in a video.",
    ]
    for title, group in COMMANDS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {name:<{width}}  {told}" for name, told in group.items()]
    lines += [
        "",
        f"{PROGRAM} COMMAND --help    the settings of a command",
        f'eval "$({PROGRAM} --completion)"    completes commands and settings in bash',
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
