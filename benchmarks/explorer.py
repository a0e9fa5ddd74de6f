"""Measure the explorer in Chromium: the latency from a slider's movement to new pixels, and updates per second.

Latency is measured by the page's own clock, from the time stamp of the event to the first task after the frame that
shows its result. Needs Debian's chromium and chromium-driver.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import results
from selenium import webdriver
from subprocesses import BACKENDS

PAUSE = 0.12  # seconds between movements, so that each is shown before the next
DRAG_SECONDS = 5.0


@contextmanager
def serve_explorer(backend: str, **environment: str) -> Iterator[str]:
    """Serve the explorer, and yield its address."""
    with tempfile.TemporaryDirectory() as state:
        server = subprocess.Popen(
            [sys.executable, "-m", "moonnet", "explore", "--no-browser"],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"KERAS_BACKEND": backend, "XDG_STATE_HOME": state} | environment,
        )
        assert server.stdout is not None
        address = re.search(r"http\S+", server.stdout.readline())
        assert address
        try:
            yield address[0]
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate()


@contextmanager
def run_chromium(size: tuple[int, int] = (1280, 900)) -> Iterator[Any]:
    """Run Chromium with a window of this size, and yield its driver."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-background-networking",
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        yield driver
    finally:
        driver.quit()


class Slider:
    """The slider of the noise, held by the mouse."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._box = browser.execute_script(
            "return document.querySelector('[data-setting=noise]').getBoundingClientRect().toJSON()"
        )
        self._mouse("mousePressed", 0)

    def move(self, index: int) -> None:
        """Move back and forth between 20% and 80% of the slider, in 30 steps each way."""
        self._mouse("mouseMoved", index)

    def pop_latencies(self) -> list[float]:
        """Return the milliseconds from movement to pixels, for each update since the last call."""
        return self._browser.execute_script(
            "const latencies = performance.getEntriesByName('moonnet-movement').map((entry) => entry.duration);"
            "performance.clearMeasures(); return latencies;"
        )

    def _mouse(self, kind: str, index: int) -> None:
        share = 0.2 + 0.6 * abs((index % 60) / 30 - 1)
        at = {"x": self._box["x"] + share * self._box["width"], "y": self._box["y"] + self._box["height"] / 2}
        event = {"type": kind, "button": "left", "buttons": 1, "clickCount": 1, **at}
        self._browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def measure(backend: str, n_movements: int, settings: str = "") -> dict[str, float]:
    """Return the latencies on an engine in milliseconds, and the updates per second during a drag."""
    with serve_explorer(backend) as address, run_chromium() as browser:
        browser.get(f"{address}#{settings}")
        while not browser.execute_script("return document.querySelector('main').explorer?.film.nEpochs > 0"):
            time.sleep(0.1)
        slider = Slider(browser)
        time.sleep(1)
        slider.pop_latencies()
        for index in range(1, n_movements + 1):
            slider.move(index)
            time.sleep(PAUSE)
        time.sleep(1)
        latencies = sorted(slider.pop_latencies())
        started, index = time.perf_counter(), 0
        while time.perf_counter() - started < DRAG_SECONDS:
            index += 1
            slider.move(index)
        seconds = time.perf_counter() - started
        drag_latencies = slider.pop_latencies()
    return {
        "movements": len(latencies),
        "median": statistics.median(latencies),
        "percentile_95": latencies[int(0.95 * len(latencies))],
        "largest": latencies[-1],
        "updates_per_second": len(drag_latencies) / seconds,
        "median_while_dragging": statistics.median(drag_latencies),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--movements", type=int, default=200)
    parser.add_argument("--settings", default="", help="as in the page's address; the results are then not recorded")
    options = parser.parse_args()
    figures = {backend: measure(backend, options.movements, options.settings) for backend in BACKENDS}
    print(f"{'':<12}{'movements':>10}{'median':>10}{'95%':>10}{'largest':>10}{'updates per second':>20}")
    for backend, values in figures.items():
        milliseconds = "".join(f"{values[name]:>7.0f} ms" for name in ("median", "percentile_95", "largest"))
        print(f"{backend:<12}{values['movements']:>10}{milliseconds}{values['updates_per_second']:>20.0f}")
    if not options.settings:
        results.write("explorer", figures, ("moonnet", "keras", "tensorflow", "jax", "websockets"))


if __name__ == "__main__":
    main()
