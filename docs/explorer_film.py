"""Record the explorer in use: images/explorer.gif, and a screenshot for the README, images/explorer.png.

Run it by hand when the explorer's page has changed: python docs/explorer_film.py. Needs Debian's chromium and
chromium-driver.
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

from explorer import run_chromium, serve_explorer

IMAGES = Path(__file__).parent / "images"
SIZE = 1180, 970
SECONDS_PER_FRAME = 0.2
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


class PageRecorder:
    """Controls the page with a visible mouse pointer, and records frames."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._position = (600.0, 430.0)
        self._pressed = False
        self.frames: list[Image.Image] = []
        browser.execute_script(POINTER)

    def record(self, n_frames: int = 1) -> None:
        """Record frames of the page as it is."""
        for _ in range(n_frames):
            time.sleep(0.12)
            screenshot = self._browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
            self.frames.append(_to_image(b64decode(screenshot)))

    def point_in(self, selector: str, x: float = 0.5, y: float = 0.5) -> tuple[float, float]:
        """Return the page coordinates of a point in an element, given as fractions of its width and height."""
        script = "return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()"
        box = self._browser.execute_script(script, selector)
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def move_mouse(self, target: tuple[float, float], n_frames: int = 3) -> None:
        """Move the mouse in a straight line, and record it."""
        start = self._position
        for index in range(1, n_frames + 1):
            self._position = tuple(a + index / n_frames * (b - a) for a, b in zip(start, target, strict=True))
            self._send_mouse_event("mouseMoved")
            self.record()

    def drag(self, points: list[tuple[float, float]], n_frames: int) -> None:
        """Press the mouse button at the first point, and release it at the last."""
        self.move_mouse(points[0])
        self._pressed = True
        self._send_mouse_event("mousePressed")
        for _, point in pairwise(points):
            self.move_mouse(point, n_frames)
        self._send_mouse_event("mouseReleased")
        self._pressed = False
        self.record(2)

    def wait_until_enabled(self, selector: str) -> None:
        """Record frames until a button is enabled."""
        while not self._browser.find_element(By.CSS_SELECTOR, selector).is_enabled():
            self.record()

    def click(self, selector: str) -> None:
        """Click on the center of an element."""
        self.drag([self.point_in(selector)], 0)

    def slide(self, selector: str, start: float, end: float, n_frames: int) -> None:
        """Drag a slider between two fractions of its length."""
        self.drag([self.point_in(selector, start), self.point_in(selector, end)], n_frames)

    def take_screenshot(self) -> Image.Image:
        """Return a screenshot without the mouse pointer, after a small change of the noise."""
        self._browser.execute_script("document.querySelector('#pointer').remove()")
        self._browser.find_element(By.CSS_SELECTOR, "[data-setting=noise]").send_keys(Keys.ARROW_RIGHT)
        self._browser.execute_script("document.activeElement.blur()")
        time.sleep(1.5)
        return _to_image(self._browser.get_screenshot_as_png())

    def _send_mouse_event(self, kind: str) -> None:
        button = {"button": "left", "buttons": 1, "clickCount": 1} if self._pressed else {}
        self._browser.execute_cdp_cmd(
            "Input.dispatchMouseEvent", {"type": kind, "x": self._position[0], "y": self._position[1], **button}
        )


def _to_image(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def demonstrate(recorder: PageRecorder) -> None:
    """Change learning rate and noise, draw samples of class 1, shrink a layer, play the film, and train an ensemble."""
    recorder.record(4)
    recorder.slide("[data-setting=learning_rate]", 0.03, 0.56, 8)
    recorder.slide("[data-setting=noise]", 0.41, 0.15, 6)
    recorder.click(".tools input[value=class-1]")
    outline = ((0.28, 0.22), (0.31, 0.18), (0.34, 0.21), (0.36, 0.27), (0.33, 0.31), (0.29, 0.29), (0.3, 0.24))
    recorder.drag([recorder.point_in(".plane", *point) for point in outline], 1)
    recorder.slide(".layer:nth-child(1) input", 0.77, 0.12, 7)
    recorder.wait_until_enabled(".film button")
    recorder.click(".film button")
    recorder.record(26)
    recorder.slide("[data-setting=n_estimators]", 0.03, 0.46, 4)
    recorder.record(6)


def write_gif(frames: list[Image.Image]) -> None:
    """Write the frames as a GIF, scaled down and with a reduced palette."""
    small = [frame.resize((SIZE[0] * 3 // 4, SIZE[1] * 3 // 4), Image.Resampling.LANCZOS) for frame in frames]
    middle, last = small[len(small) // 2], small[-1]
    both = Image.new("RGB", (2 * middle.width, middle.height))
    both.paste(middle)
    both.paste(last, (middle.width, 0))
    palette = both.quantize(112)
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in small]
    durations = [round(1000 * SECONDS_PER_FRAME)] * len(others) + [2000]
    first.save(IMAGES / "explorer.gif", save_all=True, append_images=others, duration=durations, loop=0, optimize=True)


def main() -> None:
    """Record the GIF and the screenshot."""
    with serve_explorer("jax") as address, run_chromium(SIZE) as browser:
        browser.get(address)
        time.sleep(6)
        recorder = PageRecorder(browser)
        demonstrate(recorder)
        recorder.take_screenshot().save(IMAGES / "explorer.png", optimize=True)
    write_gif(recorder.frames)


if __name__ == "__main__":
    main()
