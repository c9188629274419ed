"""``python -m diffmvr.app``: a page in the browser to restore recordings with."""

from omegaconf import DictConfig

from diffmvr.cli import entry_point
from diffmvr.page.server import serve
from diffmvr.page.settings import AppSettings


@entry_point("app", "app")
def main(config: DictConfig) -> None:
    """Serve the page that the composed configuration describes."""
    serve(AppSettings.from_config(config))


if __name__ == "__main__":
    main()
