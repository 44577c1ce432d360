"""Draws the pictures of README and docs/ from a run: `vendor-scripts/pictures.py RUN [--into FOLDER]`.

The end of the run as a terminal shows it (SVG), and its HTML report in Chromium (PNG), each light and dark. No picture
names a path, a user or a machine. Look at each of them before you commit it.
"""

import argparse
import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME, TerminalTheme
from rich.text import Text

PARITY = Path(sys.executable).with_name("parity")
ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
COLUMNS = 100
THEMES = {"light": DEFAULT_TERMINAL_THEME, "dark": SVG_EXPORT_THEME}
FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""What rich writes to fetch a font from a server: a picture asks for nothing, and takes a font of the system."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--columns", type=int, default=COLUMNS, help="of the terminal")
    arguments = parser.parse_args()
    shown = in_terminal(["report", str(arguments.run), "--format", "brief"], arguments.columns)
    for name, theme in THEMES.items():
        picture = terminal_picture(shown, arguments.columns, theme)
        (arguments.into / f"terminal-{name}.svg").write_text(picture, encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        subprocess.run([PARITY, "report", arguments.run, "--share", "--out", page], check=True)
        browser_pictures(page, arguments.into)


def in_terminal(command: list[str], columns: int) -> str:
    """What a command of parity prints in a terminal, colours included."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    with subprocess.Popen(
        [PARITY, *command], env={**environ, "TERM": "xterm-256color"}, stdout=theirs, stderr=subprocess.DEVNULL
    ):
        os.close(theirs)
        pieces = []
        try:
            while piece := os.read(ours, 65536):
                pieces.append(piece)
        except OSError:
            pass  # Linux says so of a terminal that nobody holds any more.
    os.close(ours)
    return b"".join(pieces).decode().replace("\r\n", "\n")


def terminal_picture(shown: str, columns: int, theme: TerminalTheme) -> str:
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=columns, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(Text.from_ansi(shown))
    return FONT.sub("", console.export_svg(title="the end of a run", theme=theme, unique_id="terminal"))


def browser_pictures(page: Path, into: Path) -> None:
    with sync_playwright() as tools:
        found = next(filter(None, map(shutil.which, BROWSERS)))
        browser = tools.chromium.launch(executable_path=found, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport={"width": 1440, "height": 1300}, color_scheme=scheme)
            shown = context.new_page()
            shown.goto(page.as_uri())
            shown.screenshot(path=into / f"report-{scheme}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
