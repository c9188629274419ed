"""How the page looks: the plain style of the clip store's index, in light and dark."""

from typing import Any

ACCENT = "#1f5fbf"
ACCENT_DARK = "#8ab4f8"

CSS = """
.gradio-container { font: 15px/1.45 system-ui, sans-serif }
.gradio-container { max-width: 68rem !important; margin: auto !important }
.gradio-container h1 { font-size: 1.5rem; margin: .2rem 0 }
.gradio-container h2 { font-size: 1.15rem; margin: 1rem 0 .2rem }
.told { min-height: 1.5em }
.told.error { border-left: 4px solid #c62828; padding-left: .6rem }
.told progress { width: min(24rem, 100%); height: .8rem; accent-color: #1f5fbf; display: block }
.facts th, .facts td {
  padding: .3rem .8rem .3rem 0 !important; border: 0 !important; text-align: left
}
.facts, .facts tbody, .facts tr { border: 0 !important; box-shadow: none !important }
.facts tr { border-top: 1px solid #8884 !important }
.doubt p { margin: .3rem 0; max-width: 46rem }
.doubt img { width: 100%; max-width: 56rem; height: auto; background: #fff; margin: .5rem 0 }
.doubt summary { cursor: pointer; padding: .4rem 0; text-decoration: underline }
.doubt iframe { width: 100%; height: 75vh; border: 1px solid #8884 }
#restored img { width: 100%; height: auto; display: block }
.latency { font-variant-numeric: tabular-nums; margin: .3rem 0 }
.notes { font-size: 90%; margin: .4rem 0; padding-left: 1.2rem; list-style: disc }
button:focus-visible, input:focus-visible,
summary:focus-visible { outline: 3px solid #1f5fbf !important }
.dark button:focus-visible, .dark input:focus-visible { outline-color: #8ab4f8 !important }
footer { display: none !important }
@media (max-width: 480px) { .gradio-container { padding: .5rem !important } }
"""


def theme() -> Any:
    """Return Gradio's plain theme with the system's fonts: its own come from elsewhere."""
    from gradio.themes import Base, colors

    fonts = ["system-ui", "sans-serif"]
    plain = Base(
        primary_hue=colors.blue,
        neutral_hue=colors.gray,
        font=fonts,
        font_mono=["ui-monospace", "monospace"],
    )
    return plain.set(
        button_primary_background_fill=ACCENT,
        button_primary_background_fill_dark=ACCENT,
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        block_label_text_color="*body_text_color",
        block_label_text_color_dark="*body_text_color",
    )
