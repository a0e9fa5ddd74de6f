"""Film the explorer in use, in Debian's Chromium: write images/explorer.gif, and images/explorer.png for the README.

Run it by hand where the page has changed: python docs/explorer_film.py
"""

import io
import sys
import time
from base64 import b64decode
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from explorer import chromium, explorer

IMAGES = Path(__file__).parent / "images"
SIZE = 1180, 870
SECONDS_A_FRAME = 0.2
POINTER = """
const pointer = document.createElement("div");
pointer.id = "pointer";
Object.assign(pointer.style, {
    position: "fixed", width: "16px", height: "16px", borderRadius: "50%", border: "2px solid #ffffff",
    background: "#b5179ecc", pointerEvents: "none", zIndex: 9, boxShadow: "0 0 3px #000",
});
document.body.append(pointer);
addEventListener("pointermove", (event) => {
    pointer.style.left = `${event.clientX - 10}px`;
    pointer.style.top = `${event.clientY - 10}px`;
});
"""


class Stage:
    """The page, a mouse that is seen, and a camera."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._at = (600.0, 430.0)
        self._pressed = False
        self.frames: list[Image.Image] = []
        browser.execute_script(POINTER)

    def shoot(self, n_frames: int = 1) -> None:
        """Take some frames."""
        for _ in range(n_frames):
            time.sleep(0.12)
            shot = self._browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
            self.frames.append(_image(b64decode(shot)))

    def place(self, selector: str, x: float = 0.5, y: float = 0.5) -> tuple[float, float]:
        """Return where an element is, at a share of its width and height."""
        script = "return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()"
        box = self._browser.execute_script(script, selector)
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def go(self, place: tuple[float, float], n_frames: int = 3) -> None:
        """Move the mouse."""
        start = self._at
        for index in range(1, n_frames + 1):
            self._at = tuple(a + index / n_frames * (b - a) for a, b in zip(start, place, strict=True))
            self._mouse("mouseMoved")
            self.shoot()

    def drag(self, places: list[tuple[float, float]], n_frames: int) -> None:
        """Press the mouse's button at the first place, and move through the others."""
        self.go(places[0])
        self._pressed = True
        self._mouse("mousePressed")
        for _, place in pairwise(places):
            self.go(place, n_frames)
        self._mouse("mouseReleased")
        self._pressed = False
        self.shoot(2)

    def click(self, selector: str) -> None:
        """Click on the middle of an element."""
        self.drag([self.place(selector)], 0)

    def slide(self, selector: str, start: float, end: float, n_frames: int) -> None:
        """Drag a slider."""
        self.drag([self.place(selector, start), self.place(selector, end)], n_frames)

    def still(self) -> Image.Image:
        """Return the page after a last small movement, without the mouse."""
        self._browser.execute_script("document.querySelector('#pointer').remove()")
        self._browser.find_element(By.CSS_SELECTOR, "[data-setting=noise]").send_keys(Keys.ARROW_RIGHT)
        self._browser.execute_script("document.activeElement.blur()")
        time.sleep(1.5)
        return _image(self._browser.get_screenshot_as_png())

    def _mouse(self, kind: str) -> None:
        held = {"button": "left", "buttons": 1, "clickCount": 1} if self._pressed else {}
        self._browser.execute_cdp_cmd(
            "Input.dispatchMouseEvent", {"type": kind, "x": self._at[0], "y": self._at[1], **held}
        )


def _image(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def play(stage: Stage) -> None:
    """Move learning rate and noise, draw an island of the other class, make a layer smaller, play the film."""
    stage.shoot(4)
    stage.slide("[data-setting=learning_rate]", 0.03, 0.56, 8)
    stage.slide("[data-setting=noise]", 0.41, 0.15, 6)
    stage.click(".tools input[value=class-1]")
    island = ((0.28, 0.22), (0.31, 0.18), (0.34, 0.21), (0.36, 0.27), (0.33, 0.31), (0.29, 0.29), (0.3, 0.24))
    stage.drag([stage.place(".plane", *point) for point in island], 1)
    stage.slide(".layer:nth-child(1) input", 0.77, 0.12, 7)
    stage.click(".film button")
    stage.shoot(26)


def write_film(frames: list[Image.Image]) -> None:
    """Write the frames as a GIF, smaller and in few colours."""
    small = [frame.resize((SIZE[0] * 3 // 4, SIZE[1] * 3 // 4), Image.Resampling.LANCZOS) for frame in frames]
    palette = small[len(small) // 2].quantize(96)
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in small]
    durations = [round(1000 * SECONDS_A_FRAME)] * len(others) + [2000]
    first.save(IMAGES / "explorer.gif", save_all=True, append_images=others, duration=durations, loop=0, optimize=True)


def main() -> None:
    """Film."""
    with explorer("jax") as address, chromium(SIZE) as browser:
        browser.get(address)
        time.sleep(6)
        stage = Stage(browser)
        play(stage)
        stage.still().save(IMAGES / "explorer.png", optimize=True)
    write_film(stage.frames)


if __name__ == "__main__":
    main()
