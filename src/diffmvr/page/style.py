"""How the page looks: the style of every page of diffmvr, put on Gradio's plain theme."""

from typing import Any

from diffmvr.page_style import DARK, FONT, LIGHT, variables

CSS = f"""
.gradio-container {{ {variables(LIGHT)} font: 15px/1.45 {FONT} }}
.dark .gradio-container, .gradio-container.dark {{ {variables(DARK)} }}
.gradio-container {{ max-width: 68rem !important; margin: auto !important }}
.gradio-container h1 {{ font-size: 1.5rem; margin: .2rem 0 }}
.gradio-container h2 {{ font-size: 1.15rem; margin: 1rem 0 .2rem }}
.told {{ min-height: 1.5em }}
.told.error {{ border-left: 4px solid var(--alarm); padding-left: .6rem }}
.told progress {{
  width: min(24rem, 100%); height: .8rem; accent-color: var(--accent); display: block
}}
.facts th, .facts td {{
  padding: .3rem .8rem .3rem 0 !important; border: 0 !important; text-align: left
}}
.facts, .facts tbody, .facts tr {{ border: 0 !important; box-shadow: none !important }}
.facts tr {{ border-top: 1px solid var(--line) !important }}
.doubt p {{ margin: .3rem 0; max-width: 46rem }}
.doubt img {{ width: 100%; max-width: 56rem; height: auto; background: white; margin: .5rem 0 }}
.doubt summary {{ cursor: pointer; padding: .4rem 0; text-decoration: underline }}
.doubt iframe {{ width: 100%; height: 75vh; border: 1px solid var(--line) }}
#restored img {{ width: 100%; height: auto; display: block }}
.latency {{ font-variant-numeric: tabular-nums; margin: .3rem 0 }}
.notes {{ font-size: 90%; margin: .4rem 0; padding-left: 1.2rem; list-style: disc }}
.gradio-container [role=tab].selected {{ color: var(--accent) }}
#compare .icon {{ color: white }}
.gradio-container :is(button, input, textarea, summary):focus-visible, .doubt iframe:focus {{
  outline: 3px solid var(--accent) !important; outline-offset: 1px
}}
footer {{ display: none !important }}
@media (max-width: 480px) {{ .gradio-container {{ padding: .5rem !important }} }}
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
        # White on it is read in light and dark.
        button_primary_background_fill=LIGHT["accent"],
        button_primary_background_fill_dark=LIGHT["accent"],
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        color_accent=LIGHT["accent"],
        body_text_color=LIGHT["ink"],
        body_text_color_dark=DARK["ink"],
        body_text_color_subdued=LIGHT["soft"],
        body_text_color_subdued_dark=DARK["soft"],
        body_background_fill=LIGHT["paper"],
        body_background_fill_dark=DARK["paper"],
        block_label_text_color="*body_text_color",
        block_label_text_color_dark="*body_text_color",
    )
