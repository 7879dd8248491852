"""`python -m pages.ui.site FOLDER`: writes a view as files that need no server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from streamlit.logger import set_log_level

from pages.ui.site.snapshot import SiteError
from pages.ui.site.views import VIEWS
from pages.ui.site.writing import write_site


def main(arguments: list[str] | None = None) -> int:
    """Writes the folder and says what to do with it; 2 if it cannot be written."""
    parser = argparse.ArgumentParser(
        prog="python -m pages.ui.site",
        description="Writes a view as a folder that any web host shows without this program.",
    )
    parser.add_argument("folder", type=Path, help="a new or an empty folder")
    parser.add_argument("--view", choices=VIEWS, default="map", help="the view (default: map)")
    parser.add_argument("--model", default="digits", help="a model, also of your own or imported")
    parser.add_argument(
        "--link",
        default="",
        help="what else the page's address says, for example 'projection=tsne&colour=class'",
    )
    options = parser.parse_args(arguments)
    set_log_level("ERROR")  # it warns of what it lacks where it serves nobody
    try:
        size = write_site(options.folder, options.view, options.model, options.link)
    except SiteError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"{options.folder} holds index.html and {size / 1e6:.1f} MB in all. Put it on any web "
        f"host, or look at it: python -m http.server -d {options.folder}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
