"""How every page looks that diffmvr writes or serves, in light and dark: one style for all.

A page names colours by what they are for, and never by their value: ``var(--ink)`` is text,
``--soft`` text of less weight, ``--paper`` what is behind both, ``--line`` parts of a table,
``--accent`` what can be pressed, ``--alarm`` what went wrong, ``--care`` what is to be read with
care.  Text has a contrast of 4.5 or more (WCAG 2.2, level AA).
"""

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "ink": "#1f2328",
    "soft": "#57606a",
    "paper": "#ffffff",
    "line": "#c9d1d9",
    "accent": "#1f5fbf",
    "alarm": "#c62828",
    "care": "#b45309",
}

DARK: Mapping[str, str] = {
    "ink": "#e6edf3",
    "soft": "#9da7b1",
    "paper": "#0f1419",
    "line": "#3d444d",
    "accent": "#8ab4f8",
    "alarm": "#ff8a80",
    "care": "#f0883e",
}

FONT = "system-ui, sans-serif"


def variables(colours: Mapping[str, str]) -> str:
    """Return the declarations of colours.

    >>> variables({"ink": "#000000"})
    '--ink: #000000;'
    """
    return " ".join(f"--{name}: {value};" for name, value in colours.items())


PAGE_STYLE = f"""
:root {{ color-scheme: light dark; {variables(LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {variables(DARK)} }} }}
body {{
  font: 15px/1.45 {FONT}; margin: 0; padding: 1rem; background: var(--paper); color: var(--ink);
}}
h1 {{ font-size: 1.5rem; margin: .2rem 0 .6rem; overflow-wrap: anywhere }}
h2 {{ font-size: 1.15rem; margin: 1.4rem 0 .4rem }}
a {{ color: var(--accent) }}
:focus-visible {{ outline: 3px solid var(--accent); outline-offset: 2px }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums }}
caption {{ text-align: left; font-weight: 600; padding: .5rem 0 }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .6rem }}
th {{ font-weight: 600 }}
tbody th, td {{ border-top: 1px solid var(--line) }}
.scroll {{ overflow: auto }}
.small {{ font-size: 85%; color: var(--soft) }}
.care {{ border-left: .35rem solid var(--care); padding: .4rem .8rem; margin-left: 0 }}
"""
"""Of a page that is a file of its own; what it has alone comes after it."""
