"""Names of files and folders that a pattern, a grammar, a shell or a URL would take for its own."""

import sys

_EVERYWHERE = [
    "ward [1080p]",
    "[raw] clip",
    "run[1]",
    "clip, take 2",
    "it's",
    "'quoted'",
    "'unclosed",
    "{id}",
    "${name}",
    "-leading dash",
    "a=b",
    "null",
    "true",
    "2024_03_05",
    "~clip",
    "(1)",
    "choice(a,b)",
    "100%",
    "a#b&c",
    "Säugling",
    "保育器",
]
# Windows has no such names.
_POSIX = ['say "cheese"', "a*b?", "back\\slash", "a:b", "trailing "]

AWKWARD_NAMES = _EVERYWHERE + ([] if sys.platform == "win32" else _POSIX)
