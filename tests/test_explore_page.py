"""The explorer's page in a real browser; ``make explorer-test`` runs these tests."""

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import skops.io
from matplotlib.image import imread
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from sklearn.datasets import make_moons

from helpers import free_port, write_iris_csv
from moonnet import KerasMoonClassifier
from moonnet.explore._datasets import apply_edits, load_dataset
from moonnet.explore._settings import Settings
from moonnet.explore._trained_network import TrainedNetwork, to_script, unfitted
from moonnet.explore._user_tables import CsvTable

pytestmark = pytest.mark.browser

DESKTOP, PHONE = (1280, 900), (390, 844)


class Server:
    """``moonnet explore`` in a child process."""

    def __init__(self, state, *options):
        self._command = [sys.executable, "-m", "moonnet", "explore", "--port", str(free_port()), *options]
        # Instead of a browser, a program that writes its arguments into a file
        browser, self._opened = state / "browser", state / "opened"
        browser.write_text(f'#!/bin/sh\necho "$@" > "{self._opened}"\n')
        browser.chmod(0o755)
        self._environment = os.environ | {"XDG_STATE_HOME": str(state), "BROWSER": f"{browser} %s"}
        self.start()

    def start(self):
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self._environment
        )
        self.address = re.search(r"http\S+", self._process.stdout.readline())[0]
        assert self._process.stdout.readline() == "Press Ctrl-C to stop it.\n"

    def opened_address(self):
        """Return the address with which the browser was started, as other users of the machine see it."""
        WebDriverWait(self, 60, poll_frequency=0.02).until(lambda _: self._opened.exists() and self._opened.read_text())
        return self._opened.read_text().strip()

    def kill(self):
        self._process.kill()
        self._process.communicate()

    def interrupt(self):
        """Press Ctrl-C; return the rest of the standard output, the standard error and the exit status."""
        self._process.send_signal(signal.SIGINT)
        return *self._process.communicate(timeout=60), self._process.returncode


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("state"))
    yield server
    out, err, status = server.interrupt()
    assert out == "\nThe explorer has stopped.\n"
    assert "Traceback" not in err
    assert status == 0


@pytest.fixture
def page(browser, server):
    """A page of the explorer that has trained its first network."""
    return open_page(browser, server.address)


def open_page(browser, address, size=DESKTOP, scheme="light"):
    resize(browser, size)
    emulate_scheme(browser, scheme)
    browser.get("about:blank")  # an address that differs only in its hash is not loaded again
    browser.get_log("browser")
    browser.get(address)
    # The address may be that of a page that redirects
    WebDriverWait(browser, 60, poll_frequency=0.02).until(lambda _: browser.find_elements(By.CSS_SELECTOR, ".status"))
    wait(browser, "explorer?.film.nEpochs > 0 && explorer.status.dataset.kind === ''")
    return browser


def emulate_scheme(browser, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def resize(browser, size):
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def run(browser, script, *arguments):
    """Run a script, in which ``explorer`` is the page's object, and return its result."""
    return browser.execute_script(f"const {{ explorer }} = document.querySelector('main'); {script}", *arguments)


def wait(browser, condition, seconds=60):
    def holds(_):
        return run(browser, f"return Boolean({condition})")

    WebDriverWait(browser, seconds, poll_frequency=0.02).until(holds, f"{condition}: {status(browser)}")


def status(browser):
    return browser.find_element(By.CSS_SELECTOR, ".status").text


def settle(browser):
    """Wait until the newest settings have been trained and recorded."""
    wait_for_picture(browser)
    wait(browser, "explorer.film.nEpochs > 0")


def wait_for_picture(browser):
    """Wait until the newest settings have been trained."""
    wait(browser, "explorer.shownId === explorer.trainId && explorer.view.header.final !== false")


def setting(browser, name):
    return browser.find_element(By.CSS_SELECTOR, f"[data-setting={name}]")


def button(browser, text):
    return browser.find_element(By.XPATH, f"//main//button[normalize-space()='{text}']")


def weights(browser):
    """Return the weights that the page has received."""
    return np.array(run(browser, "return [...explorer.view.arrays.weights]"))


def settings(browser):
    return run(browser, "return explorer.settings")


def expected_weights(browser, table=None):
    """Return the weights of a network fitted with the settings on the page."""
    read = Settings.from_json(settings(browser))
    data = apply_edits(load_dataset(read.dataset, table), read)
    estimator = unfitted(read, data).fit(data.inputs(data.X_train), data.y_train)
    return estimator._network.flatten(estimator._state)


def console_messages(browser):
    return [entry["message"] for entry in browser.get_log("browser")]


def press(browser, *keys):
    ActionChains(browser).send_keys(*keys).perform()


def test_page_draws_default_network_without_external_requests(page, server, moons):
    assert np.array_equal(weights(page), expected_weights(page))
    X, y = make_moons(200, noise=0.2, random_state=1)
    clf = KerasMoonClassifier(random_state=0).fit(*moons)
    assert page.find_element(By.CSS_SELECTOR, ".accuracy").text == f"{100 * clf.score(X, y):.1f} %"
    for canvas in page.find_elements(By.TAG_NAME, "canvas"):
        assert run(page, DISTINCT_COLORS, canvas) > 5
    assert console_messages(page) == []
    requested = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert {name for name in requested if not name.startswith(server.address)} == set()


DISTINCT_COLORS = """
const [canvas] = arguments;
const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
return new Set(new Uint32Array(data.buffer)).size;
"""


def test_column_of_rounding_errors_is_drawn(page, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"share": np.nextafter(1, rng.integers(0, 3, 80)), "size": rng.normal(size=80)})
    frame.assign(kind=np.where(frame["size"] > 0, "a", "b")).to_csv(tmp_path / "shares.csv", index=False)
    page.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(tmp_path / "shares.csv"))
    wait(page, "explorer.view.header.axes[0].name === 'share' && explorer.film.nEpochs > 0")
    assert run(page, DISTINCT_COLORS, page.find_element(By.CSS_SELECTOR, ".plane")) > 5
    drag(page, [(0.3, 0.3)], "class-0")
    assert len(settings(page)["drawn"]) == 1


NUMBERS = ["n_samples", "noise", "dropout", "l2", "learning_rate", "batch_size", "epochs"]


def reset(browser):
    button(browser, "Reset").click()
    settle(browser)


def test_each_slider_trains_network_with_its_value(page):
    for name in NUMBERS:
        setting(page, name).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        wait_for_picture(page)
        assert list(settings(page)) == [name]
        assert np.array_equal(weights(page), expected_weights(page)), name
        row = setting(page, name).find_element(By.XPATH, "..")
        shown = row.find_element(By.TAG_NAME, "output").text
        assert float(shown.replace("\N{MINUS SIGN}", "-")) == settings(page)[name]
        button(page, "Reset").click()


CHOICES = [
    ("data", "circles"),
    ("data", "blobs"),
    ("data", "spirals"),
    ("data", "xor"),
    ("activation", "tanh"),
    ("optimizer", "adam"),
]


def test_each_choice_trains_network_with_its_value(page):
    for name, value in CHOICES:
        setting(page, name).find_element(By.XPATH, f".//option[.='{value}']").click()
        wait_for_picture(page)
        assert settings(page) == {name: value}
        assert np.array_equal(weights(page), expected_weights(page)), value
        button(page, "Reset").click()


def test_default_learning_rate_is_that_of_the_optimizer(page):
    row = setting(page, "learning_rate").find_element(By.XPATH, "..")
    assert row.find_element(By.TAG_NAME, "output").text == "None (0.001)"
    setting(page, "optimizer").find_element(By.XPATH, "option[.='sgd']").click()
    assert row.find_element(By.TAG_NAME, "output").text == "None (0.01)"


def test_values_of_curves_are_shown_under_the_pointer(page):
    history = run(page, "return explorer.history")
    values = page.find_element(By.CSS_SELECTOR, ".curve-values")
    assert not values.is_displayed()
    loss, accuracy = page.find_elements(By.CSS_SELECTOR, ".curves")
    middle = loss.size["width"] // 2
    ActionChains(page).move_to_element_with_offset(loss, -middle + 2, 0).perform()
    first = [f"{history[name][0]:.4g}" for name in ("loss", "test_loss")]
    assert values.text == "epoch 1\ntraining {}\nheld out {}".format(*first)
    ActionChains(page).move_to_element_with_offset(accuracy, middle - 2, 0).perform()
    last = [f"{100 * history[name][-1]:.1f} %" for name in ("accuracy", "test_accuracy")]
    assert values.text == "epoch 100\ntraining {}\nheld out {}".format(*last)
    ActionChains(page).move_to_element(page.find_element(By.CSS_SELECTOR, "h1")).perform()
    assert not values.is_displayed()


def test_layers_are_added_resized_and_removed(page):
    button(page, "Add layer").click()
    settle(page)
    assert settings(page) == {"hidden_layer_sizes": [50, 20, 8]}
    setting(page, "hidden_layer_sizes").find_elements(By.TAG_NAME, "input")[2].send_keys(Keys.ARROW_LEFT * 5)
    page.find_element(By.CSS_SELECTOR, "[aria-label='Remove layer 1']").click()
    settle(page)
    assert settings(page) == {"hidden_layer_sizes": [20, 3]}
    assert np.array_equal(weights(page), expected_weights(page))
    assert page.find_element(By.CSS_SELECTOR, ".units h2").text == "Network 2-20-3-1, 127 parameters"
    for _ in range(2):
        page.find_element(By.CSS_SELECTOR, "[aria-label='Remove layer 1']").click()
    settle(page)  # logistic regression
    assert len(weights(page)) == 3
    for _ in range(6):
        button(page, "Add layer").click()
    assert not button(page, "Add layer").is_enabled()


def test_derived_inputs_are_chosen_named_and_copied(browser, server):
    page = open_page(browser, f"{server.address}#data=xor&noise=0.1")
    boxes = {box.get_attribute("value"): box for box in setting(page, "inputs").find_elements(By.TAG_NAME, "input")}
    assert [name for name, box in boxes.items() if box.is_selected()] == ["x1", "x2"]
    boxes["x1*x2"].click()
    boxes["x1"].click()
    settle(page)
    assert settings(page)["inputs"] == ["x2", "x1*x2"]
    assert np.array_equal(weights(page), expected_weights(page))
    script = copy_script(page)
    assert script == expected_script(page)
    assert "(PolynomialFeatures(degree=(2, 2), include_bias=False, interaction_only=True), [0, 1])," in script
    assert boxes["x2"].is_enabled()
    boxes["x2"].click()
    settle(page)
    assert not boxes["x1*x2"].is_enabled()  # the only one
    page.find_element(By.CSS_SELECTOR, ".network").send_keys(Keys.ARROW_RIGHT)
    assert page.find_element(By.CSS_SELECTOR, ".units h2").text.endswith(": input x times y")
    boxes["x1"].click()
    boxes["x2"].click()
    boxes["x1*x2"].click()
    settle(page)
    assert "inputs" not in settings(page)


def plane_pixels(browser):
    return run(browser, "return explorer.plane.canvas.toDataURL()")


def test_ensemble_shows_members_their_disagreement_and_its_own_score(browser, server):
    page = open_page(browser, f"{server.address}#noise=0.3")
    key, switch = page.find_element(By.CSS_SELECTOR, ".key"), page.find_element(By.XPATH, "//label[.='Show members']")
    assert "members" not in key.text
    assert not switch.is_displayed()
    setting(page, "n_estimators").send_keys(Keys.ARROW_RIGHT * 4)
    settle(page)
    assert settings(page) == {"noise": 0.3, "n_estimators": 5}
    read = Settings.from_json(settings(page))
    data = load_dataset(read.dataset, None)
    ensemble = unfitted(read, data).fit(data.X_train, data.y_train)
    score, *members = [
        f"{100 * clf.score(data.X_test, data.y_test):.1f} %" for clf in (ensemble, *ensemble.estimators_)
    ]
    assert page.find_element(By.CSS_SELECTOR, ".accuracy").text == score
    figures = page.find_element(By.CSS_SELECTOR, ".figures").text
    assert f"5 members: held-out {min(members)} to {max(members)}" in figures
    first = ensemble.estimators_[0]
    assert np.array_equal(weights(page), first._network.flatten(first._state))
    assert page.find_element(By.CSS_SELECTOR, ".units h2").text.startswith("Member 1 of 5: 2-50-20-1")
    assert status(page).startswith("Trained 5 networks for 100 epochs")
    assert copy_script(page) == expected_script(page)
    assert key.text.startswith("Filled: training. Hollow: held out. Ringed: misclassified. Thin lines: members.")
    with_members = plane_pixels(page)
    switch.click()
    without = plane_pixels(page)
    assert without != with_members
    switch.click()
    assert plane_pixels(page) == with_members

    film = page.find_element(By.CSS_SELECTOR, ".film input")
    film.send_keys(Keys.HOME)
    wait(page, "explorer.film.epoch === 0 && explorer.view.header.n_members === 5")
    film.send_keys(Keys.END)
    wait(page, "explorer.film.epoch === null && !explorer.film.isFrameRequested")
    assert plane_pixels(page) == with_members
    page.find_element(By.CSS_SELECTOR, ".seeds summary").click()
    wait(page, SEEDS_ARRIVED)
    assert page.find_element(By.CSS_SELECTOR, ".seeds button").text.split("\n") == ["seed 0", score]
    setting(page, "n_estimators").send_keys(Keys.HOME)
    settle(page)
    assert not switch.is_displayed()
    assert console_messages(page) == []


@pytest.mark.parametrize("data", ["sine", "saddle"])
def test_ensemble_of_numbers_shows_members(browser, server, data):
    page = open_page(browser, f"{server.address}#data={data}&noise=0.5&n_estimators=3&learning_rate=0.01")
    read = Settings.from_json(settings(page))
    samples = load_dataset(read.dataset, None)
    ensemble = unfitted(read, samples).fit(samples.X_train, samples.y_train)
    score = ensemble.score(samples.X_test, samples.y_test)
    assert page.find_element(By.CSS_SELECTOR, ".accuracy").text == f"{score:.3f}"
    with_members = plane_pixels(page)
    page.find_element(By.XPATH, "//label[.='Show members']").click()
    assert plane_pixels(page) != with_members
    assert console_messages(page) == []


SEEDS_ARRIVED = "explorer.seeds.tiles.length === 9 && explorer.seeds.tiles.every((tile) => !tile.isOutdated)"


def test_nine_seeds_are_shown_and_taken(browser, server):
    page = open_page(browser, f"{server.address}#noise=0.3&random_state=2")
    page.find_element(By.CSS_SELECTOR, ".seeds summary").click()
    wait(page, SEEDS_ARRIVED)
    tiles = page.find_elements(By.CSS_SELECTOR, ".seeds button")
    accuracies = {}
    for seed, tile in enumerate(tiles, start=2):
        read = Settings.from_json({"noise": 0.3, "random_state": 2, "network_random_state": seed})
        data = load_dataset(read.dataset, None)
        score = read.classifier().fit(data.X_train, data.y_train).score(data.X_test, data.y_test)
        assert tile.text.split("\n") == [f"seed {seed}", f"{100 * score:.1f} %"]
        assert tile.get_attribute("aria-pressed") == str(seed == 2).lower()
        assert run(page, DISTINCT_COLORS, tile.find_element(By.TAG_NAME, "canvas")) > 5
        accuracies[seed] = f"{100 * score:.1f} %"
    assert len(set(accuracies.values())) > 1

    points = run(page, "return [...explorer.view.arrays.points]")
    tiles[3].click()
    settle(page)
    assert settings(page) == {"noise": 0.3, "random_state": 2, "network_random_state": 5}
    assert page.find_element(By.CSS_SELECTOR, ".accuracy").text == accuracies[5]
    assert np.array_equal(weights(page), expected_weights(page))
    assert run(page, "return [...explorer.view.arrays.points]") == points
    assert copy_script(page) == expected_script(page)
    assert run(page, f"return {SEEDS_ARRIVED}")  # the same nine
    assert [tile.get_attribute("aria-pressed") for tile in tiles].index("true") == 3
    tiles[0].click()  # the seed of the samples, which is the default
    settle(page)
    assert settings(page) == {"noise": 0.3, "random_state": 2}

    setting(page, "noise").send_keys(Keys.ARROW_LEFT)
    assert not run(page, f"return {SEEDS_ARRIVED}")
    wait(page, SEEDS_ARRIVED)
    setting(page, "network_random_state").send_keys("11", Keys.ENTER)
    wait(page, f"explorer.settings.network_random_state === 11 && {SEEDS_ARRIVED}")
    assert [tile.text.split("\n")[0] for tile in tiles] == [f"seed {seed}" for seed in range(11, 20)]
    button(page, "Next network").click()
    settle(page)
    assert settings(page)["network_random_state"] == 12
    setting(page, "network_random_state").clear()
    setting(page, "network_random_state").send_keys(Keys.ENTER)
    settle(page)
    assert "network_random_state" not in settings(page)
    assert console_messages(page) == []


def test_early_stopping_seed_and_reset(page):
    setting(page, "early_stopping").click()
    button(page, "Next seed").click()
    setting(page, "learning_rate").send_keys(Keys.END)
    settle(page)
    assert settings(page) == {"early_stopping": True, "random_state": 1, "learning_rate": 1}
    assert np.array_equal(weights(page), expected_weights(page))
    assert run(page, "return explorer.film.nEpochs") < 100
    assert status(page).startswith("Stopped early")
    reset(page)
    assert settings(page) == {}


def test_new_architecture_shows_compiling_and_page_stays_responsive(page):
    run(
        page,
        """
        window.messages = [];
        new MutationObserver(() => window.messages.push(explorer.status.textContent))
            .observe(explorer.status, { childList: true });
        window.nFrames = 0;
        const count = () => { window.nFrames += 1; requestAnimationFrame(count); };
        count();
        """,
    )
    setting(page, "activation").find_element(By.XPATH, "option[.='softplus']").click()
    wait(page, "window.messages.some((text) => text.startsWith('Compiling'))")
    before = run(page, "return window.nFrames")
    settle(page)
    assert run(page, "return window.nFrames") > before


def drag(page, points, tool):
    """Drag the mouse over the plane along points, given as fractions of its size."""
    page.find_element(By.CSS_SELECTOR, f".tools input[value={tool}]").click()
    plane = page.find_element(By.CSS_SELECTOR, ".plane")
    width, height = plane.size["width"], plane.size["height"]
    offsets = [(round((x - 0.5) * width), round((0.5 - y) * height)) for x, y in points]
    actions = ActionChains(page, duration=30).move_to_element_with_offset(plane, *offsets[0]).click_and_hold()
    for offset in offsets[1:]:
        actions.move_to_element_with_offset(plane, *offset)
    actions.release().perform()
    settle(page)


def test_points_are_drawn_erased_and_undone(page):
    drag(page, [(0.2, 0.2), (0.3, 0.2), (0.4, 0.2)], "class-0")
    first = settings(page)["drawn"]
    assert len(first) >= 3
    assert {label for _, _, label in first} == {0}
    assert np.array_equal(weights(page), expected_weights(page))
    drag(page, [(0.2, 0.9)], "class-1")
    assert settings(page)["drawn"][-1][2] == 1
    drag(page, [(0.2, 0.2), (0.5, 0.45), (0.6, 0.5)], "erase")
    edited = settings(page)
    assert edited["erased"]
    assert len(edited["drawn"]) < len(first) + 1
    assert np.array_equal(weights(page), expected_weights(page))
    for expected in (2, 1, 0):
        button(page, "Undo").click()
        settle(page)
        assert len({label for *_, label in settings(page).get("drawn", [])}) == expected
    assert settings(page) == {}
    assert not button(page, "Undo").is_enabled()


def test_touch_draws_points(page):
    page.find_element(By.CSS_SELECTOR, ".tools input[value=class-1]").click()
    where = page.find_element(By.CSS_SELECTOR, ".plane").rect
    at = {"x": where["x"] + where["width"] / 2, "y": where["y"] + where["height"] / 3}
    for kind, points in (("touchStart", [at]), ("touchMove", [at | {"x": at["x"] + 40}]), ("touchEnd", [])):
        page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    settle(page)
    assert [label for *_, label in settings(page)["drawn"]] == [1, 1]


def test_erasing_a_whole_class_shows_problem(page, moons):
    run(page, "explorer.change({ erased: arguments[0] })", np.flatnonzero(moons[1] == 1).tolist())
    wait(page, "explorer.status.dataset.kind === 'problem'")
    assert status(page) == "The training samples must contain every class. There is none of class 1: draw one."


def test_keyboard_draws_point_in_corner(page):
    page.find_element(By.CSS_SELECTOR, ".tools input[value=class-1]").click()
    plane = page.find_element(By.CSS_SELECTOR, ".plane")
    plane.send_keys(Keys.SHIFT, Keys.ARROW_UP * 12, Keys.ARROW_LEFT * 12, Keys.NULL, Keys.ENTER)
    settle(page)
    assert settings(page) == {"drawn": [[-1.75, 2.5, 1]]}
    assert np.array_equal(weights(page), expected_weights(page))


def test_early_stopping_shows_best_epoch(page):
    for name in ("early_stopping", "learning_rate"):
        setting(page, name).send_keys(Keys.SPACE if name == "early_stopping" else Keys.ARROW_RIGHT * 5)
    settle(page)
    best, last = run(page, "return [explorer.film.finalEpoch, explorer.film.nEpochs]")
    assert best < last
    assert status(page).startswith(f"Stopped early after {last} epochs; best epoch {best}")
    accuracy = run(page, "return explorer.history.test_accuracy[explorer.film.finalEpoch - 1]")
    assert page.find_element(By.CSS_SELECTOR, ".accuracy").text == f"{100 * accuracy:.1f} %"
    assert page.find_element(By.CSS_SELECTOR, ".film output").text == f"epoch {best} of {last}"


def test_invalid_settings_disable_copying(page):
    run(page, "explorer.change({ noise: 7 })")
    wait(page, "explorer.status.dataset.kind === 'problem'")
    assert not button(page, "Copy Python").is_enabled()
    setting(page, "noise").send_keys(Keys.ARROW_LEFT)
    settle(page)
    assert button(page, "Copy Python").is_enabled()


def test_film_plays_pauses_and_steps(page, moons):
    button(page, "Play").click()
    wait(page, "explorer.film.epoch !== null && explorer.film.epoch > 3")
    button(page, "Pause").click()
    wait(page, "!explorer.film.isFrameRequested")
    epoch = run(page, "return explorer.film.epoch")
    assert 3 < epoch < 100
    clf = KerasMoonClassifier(epochs=epoch, random_state=0).fit(*moons)
    assert np.array_equal(weights(page), clf._network.flatten(clf._state))
    assert page.find_element(By.CSS_SELECTOR, ".film output").text == f"epoch {epoch} of 100"
    page.find_element(By.CSS_SELECTOR, "[aria-label='Next epoch']").click()
    wait(page, f"explorer.film.epoch === {epoch + 1}")
    page.find_element(By.CSS_SELECTOR, "[aria-label='Previous epoch']").click()
    wait(page, f"explorer.film.epoch === {epoch}")
    film = page.find_element(By.CSS_SELECTOR, ".film input")
    film.send_keys(Keys.HOME)
    wait(page, "explorer.film.epoch === 0")
    film.send_keys(Keys.END)
    wait(page, "explorer.film.epoch === null && !explorer.film.isFrameRequested")
    assert np.array_equal(weights(page), expected_weights(page))
    setting(page, "epochs").send_keys(Keys.HOME, Keys.ARROW_RIGHT * 3)  # 10 epochs, for a film of half a second
    settle(page)
    button(page, "Play").click()  # to the end
    wait(page, "explorer.film.playing === null && explorer.film.epoch === null")
    assert button(page, "Play").is_enabled()


def test_selected_unit_is_shown_on_plane(page):
    network = page.find_element(By.CSS_SELECTOR, ".network")
    before = run(page, "return explorer.plane.canvas.toDataURL()")
    network.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert "Activation of unit 1 of layer 1" in page.find_element(By.CSS_SELECTOR, ".plane").get_attribute("aria-label")
    assert run(page, "return explorer.plane.canvas.toDataURL()") != before
    network.send_keys(Keys.ESCAPE)
    assert run(page, "return explorer.plane.canvas.toDataURL()") == before
    tile = run(page, "return explorer.network.layers[1][4]")
    offset = [round(tile["x"] + 4 - network.size["width"] / 2), round(tile["y"] + 4 - network.size["height"] / 2)]
    ActionChains(page).move_to_element_with_offset(network, *offset).perform()
    assert run(page, "return explorer.network.unit") == 6


@pytest.fixture(scope="module")
def iris_csv(tmp_path_factory):
    return write_iris_csv(tmp_path_factory.mktemp("csv") / "iris.csv")


STATES = {
    "moons with points": {"drawn": [[0.5, 2.0, 1], [1.25, -1.5, 0]], "erased": [3, 7, 100], "noise": 0.3},
    "blobs": {"data": "blobs", "optimizer": "adam", "learning_rate": 0.01, "hidden_layer_sizes": [8, 8]},
    "spirals": {"data": "spirals", "activation": "tanh", "epochs": 50, "batch_size": 20},
    "xor": {"data": "xor", "early_stopping": True, "dropout": 0.1, "l2": 0.001, "random_state": 5},
    "curve with points": {"data": "sine", "drawn": [[0.5, -2.0, 0]], "erased": [3, 7], "learning_rate": 0.01},
    "band": {"data": "fan", "loss": "pinball", "quantile": [0.05, 0.5, 0.95], "inputs": ["x1", "x1^2"]},
    "surface": {"data": "gaussians", "loss": "huber", "erased": [100], "epochs": 50},
}


def choose(page, name, value):
    setting(page, name).find_element(By.XPATH, f".//option[.='{value}']").click()


def is_shown(page, name):
    return page.find_element(By.CSS_SELECTOR, f".row-{name}").is_displayed()


def tools(page):
    return [tool.get_attribute("value") for tool in page.find_elements(By.CSS_SELECTOR, ".tools input")]


def test_numbers_over_one_feature_are_a_curve_with_drawn_points(page):
    assert not is_shown(page, "loss")
    choose(page, "data", "sine")
    settle(page)
    assert settings(page) == {"data": "sine"}
    assert np.array_equal(weights(page), expected_weights(page))
    data = load_dataset(Settings(data="sine").dataset, None)
    score = Settings().regressor().fit(data.X_train, data.y_train).score(data.X_test, data.y_test)
    assert page.find_element(By.CSS_SELECTOR, ".accuracy").text == f"{score:.3f}"
    assert page.find_element(By.CSS_SELECTOR, ".accuracy-label").text == "Held-out R²"
    assert "RMSE" in page.find_element(By.CSS_SELECTOR, ".figures").text
    label = page.find_element(By.CSS_SELECTOR, ".plane").get_attribute("aria-label")
    assert label == f"Curve over x and y; held-out R² {score:.3f}"
    assert [canvas.is_displayed() for canvas in page.find_elements(By.CSS_SELECTOR, ".curves")] == [True, False]
    assert run(page, DISTINCT_COLORS, page.find_element(By.CSS_SELECTOR, ".plane")) > 5
    assert page.find_element(By.CSS_SELECTOR, ".units h2").text == "Network 1-50-20-1, 1,141 parameters"
    boxes = setting(page, "inputs").find_elements(By.TAG_NAME, "input")
    assert [box.get_attribute("value") for box in boxes if box.is_displayed()] == ["x1", "x1^2", "sin x1"]
    assert not boxes[0].is_enabled()  # the only input that is used
    assert tools(page) == ["off", "class-0", "erase"]
    drag(page, [(0.3, 0.15), (0.4, 0.15)], "class-0")
    drawn = settings(page)["drawn"]
    assert len(drawn) >= 2
    assert all(x < 0 and y < -2 and label == 0 for x, y, label in drawn)
    assert np.array_equal(weights(page), expected_weights(page))
    drag(page, [(0.3, 0.15), (0.32, 0.15)], "erase")
    assert len(settings(page).get("drawn", [])) < len(drawn)
    button(page, "Undo").click()
    button(page, "Undo").click()
    settle(page)
    assert settings(page) == {"data": "sine"}
    assert console_messages(page) == []
    choose(page, "data", "moons")
    settle(page)
    assert page.find_element(By.CSS_SELECTOR, ".accuracy-label").text == "Held-out accuracy"
    assert [canvas.is_displayed() for canvas in page.find_elements(By.CSS_SELECTOR, ".curves")] == [True, True]


def test_numbers_over_two_features_are_a_surface_with_a_key(page):
    choose(page, "data", "saddle")
    settle(page)
    assert np.array_equal(weights(page), expected_weights(page))
    plane = page.find_element(By.CSS_SELECTOR, ".plane")
    assert plane.get_attribute("aria-label").startswith("Surface of z over x and y; held-out R² 0.")
    assert run(page, DISTINCT_COLORS, plane) > 100
    # The colour bar is blue above and orange below
    top, bottom = (run(page, COLOR_OF_BAR, share) for share in (0.1, 0.75))
    assert top[2] > top[0] + 40
    assert bottom[0] > bottom[2] + 40
    assert tools(page) == ["off", "erase"]  # a surface has no axis for the numbers
    drag(page, [(0.3, 0.3), (0.5, 0.45), (0.6, 0.5)], "erase")
    assert settings(page)["erased"]
    assert np.array_equal(weights(page), expected_weights(page))


COLOR_OF_BAR = """
const { canvas } = explorer.plane;
const { width, height } = canvas.getBoundingClientRect();
return [...canvas.getContext("2d").getImageData(width - 66, Math.round(arguments[0] * height), 1, 1).data];
"""


def test_losses_and_quantiles_are_offered_for_numbers(page):
    choose(page, "data", "counts")
    for loss in ("absolute_error", "huber", "poisson", "pinball"):
        choose(page, "loss", loss)
        assert is_shown(page, "quantile") == (loss == "pinball")
        settle(page)
        assert settings(page) == {"data": "counts", "loss": loss}
        assert np.array_equal(weights(page), expected_weights(page)), loss
    choose(page, "quantile", "0.9")
    settle(page)
    assert settings(page)["quantile"] == 0.9
    assert "below the line: " in page.find_element(By.CSS_SELECTOR, ".figures").text
    choose(page, "quantile", "0.1, 0.5, 0.9")
    settle(page)
    assert settings(page)["quantile"] == [0.1, 0.5, 0.9]
    assert "in the band: " in page.find_element(By.CSS_SELECTOR, ".figures").text
    assert page.find_element(By.CSS_SELECTOR, ".units h2").text.startswith("Network 1-50-20-3")
    assert np.array_equal(weights(page), expected_weights(page))
    assert run(page, "return explorer.view.arrays.band.length === 2 * explorer.view.arrays.prediction.length")
    film = page.find_element(By.CSS_SELECTOR, ".film input")
    film.send_keys(Keys.HOME)
    wait(page, "explorer.film.epoch === 0")
    assert page.find_element(By.CSS_SELECTOR, ".accuracy").text.startswith("\N{MINUS SIGN}")  # not trained yet
    choose(page, "loss", "poisson")
    choose(page, "data", "sine")  # with negative numbers
    settle(page)
    assert setting(page, "loss").get_attribute("value") == "squared_error"
    setting(page, "loss").send_keys("")  # the focus
    assert not setting(page, "loss").find_element(By.XPATH, "option[.='poisson']").is_enabled()
    choose(page, "data", "moons")
    assert not is_shown(page, "loss")
    assert not is_shown(page, "quantile")


def test_column_of_numbers_is_predicted_from_one_or_two_others(page, iris_csv):
    table = CsvTable.from_bytes("iris.csv", iris_csv.read_bytes())
    page.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(iris_csv))
    wait(page, "explorer.view.header.classes.length === 3 && explorer.film.nEpochs > 0")
    choose(page, "target", "pl")
    settle(page)
    assert settings(page) == {"data": "own", "target": "pl"}
    assert run(page, "return explorer.view.header.picture") == "surface"
    assert np.array_equal(weights(page), expected_weights(page, table))
    first, second = setting(page, "features").find_elements(By.TAG_NAME, "select")
    first.find_element(By.XPATH, "option[.='pw']").click()
    assert settings(page)["features"] == ["pw", "sl"]
    second.find_element(By.XPATH, "option[.='no second feature']").click()
    settle(page)
    assert settings(page) == {"data": "own", "target": "pl", "features": ["pw"]}
    assert [axis["name"] for axis in run(page, "return explorer.view.header.axes")] == ["pw", "pl"]
    drag(page, [(0.3, 0.3)], "class-0")
    assert np.array_equal(weights(page), expected_weights(page, table))
    assert copy_script(page) == expected_script(page, table)
    second.find_element(By.XPATH, "option[.='sw']").click()
    settle(page)
    assert settings(page) == {"data": "own", "target": "pl", "features": ["pw", "sw"]}
    choose(page, "target", "species")
    settle(page)
    assert settings(page) == {"data": "own", "target": "species"}


def copy_script(page):
    button(page, "Copy Python").click()
    wait(page, "explorer.downloads.dialog.open && explorer.downloads.code.textContent !== ''")
    text = page.find_element(By.CSS_SELECTOR, "dialog pre").text
    button(page, "Close").click()
    return text


def expected_script(browser, table=None):
    """Return the script of the settings on the page; test_explore_session.py runs such scripts."""
    read = Settings.from_json(settings(browser))
    data = apply_edits(load_dataset(read.dataset, table), read)
    return to_script(TrainedNetwork(0, read, data, None, None)).strip()


@pytest.mark.parametrize("state", STATES)
def test_script_of_network_is_copied(browser, server, state):
    values = "&".join(f"{name}={json.dumps(value).strip(chr(34))}" for name, value in STATES[state].items())
    page = open_page(browser, f"{server.address}#{values}")
    assert settings(page) == STATES[state]
    assert np.array_equal(weights(page), expected_weights(page))
    assert copy_script(page) == expected_script(page)


def test_csv_file_is_opened_trained_and_copied_as_script(page, iris_csv, tmp_path):
    frame = pd.read_csv(iris_csv)
    frame.loc[3:8, "sl"] = frame.loc[7:20, "pw"] = frame.loc[[0, 70], "species"] = None
    frame.to_csv(tmp_path / "iris.csv", index=False)
    table = CsvTable.from_bytes("iris.csv", (tmp_path / "iris.csv").read_bytes())
    page.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(tmp_path / "iris.csv"))
    wait(page, "explorer.view.header.classes.length === 3 && explorer.film.nEpochs > 0")
    note = "; 2 of 150 rows without a target left out; missing values in 18 of 148 rows replaced by the median"
    assert status(page).endswith(note)
    assert settings(page) == {"data": "own"}
    assert np.array_equal(weights(page), expected_weights(page, table))
    assert copy_script(page) == expected_script(page, table)
    first, second = setting(page, "features").find_elements(By.TAG_NAME, "select")
    first.find_element(By.XPATH, "option[.='pw']").click()
    second.find_element(By.XPATH, "option[.='sl']").click()
    settle(page)
    assert settings(page) == {"data": "own", "features": ["pw", "sl"]}
    assert [axis["name"] for axis in run(page, "return explorer.view.header.axes")] == ["pw", "sl"]
    assert np.array_equal(weights(page), expected_weights(page, table))
    assert copy_script(page) == expected_script(page, table)
    assert "class-2" in {tool.get_attribute("value") for tool in page.find_elements(By.CSS_SELECTOR, ".tools input")}


def test_column_names_that_look_like_json_stay_names(browser, server, iris_csv, tmp_path):
    """Names such as "1" and "true" stay names. A new seed changes the plane, so drawn points are removed."""
    frame = pd.read_csv(iris_csv).rename(columns={"species": "1", "pl": "true"})
    frame["kind"] = np.where(frame["pw"] > 1, "wide", "narrow")
    frame.to_csv(tmp_path / "named.csv", index=False)
    page = open_page(browser, server.address)
    page.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(tmp_path / "named.csv"))
    wait(page, "explorer.table !== null && explorer.view.header.classes[0] === 'narrow' && explorer.film.nEpochs > 0")
    assert setting(page, "target").get_attribute("value") == "kind"
    setting(page, "target").find_element(By.XPATH, "option[.='1']").click()
    settle(page)
    assert run(page, "return explorer.view.header.classes") == ["setosa", "versicolor", "virginica"]
    wait(page, "location.hash.includes('target=%221%22')")
    drag(page, [(0.9, 0.9)], "class-2")
    assert len(settings(page)["drawn"]) == 1
    button(page, "Next seed").click()
    settle(page)
    assert settings(page) == {"data": "own", "target": "1", "random_state": 1}
    assert status(page).startswith("Trained for 100 epochs")


def test_unsuitable_file_shows_problem_and_keeps_network(page, tmp_path):
    (tmp_path / "numbers.csv").write_text("a,b\n1,2\n3,4\n")
    page.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(tmp_path / "numbers.csv"))
    wait(page, "explorer.status.dataset.kind === 'problem'")
    assert status(page).startswith("numbers.csv must have a column of 2 to 10 classes")
    assert np.array_equal(weights(page), expected_weights(page))


@pytest.fixture(scope="module")
def csv_server(tmp_path_factory, iris_csv):
    server = Server(tmp_path_factory.mktemp("state"), "--csv", str(iris_csv), "--target", "species")
    yield server
    server.interrupt()


def test_csv_option_opens_file_at_start(browser, csv_server):
    assert csv_server.address.split("/")[3] not in csv_server.opened_address()  # the secret token
    page = open_page(browser, csv_server.opened_address())
    assert page.current_url.startswith(csv_server.address)
    assert settings(page) == {"data": "own"}
    assert run(page, "return explorer.view.header.classes") == ["setosa", "versicolor", "virginica"]
    assert setting(page, "target").get_attribute("value") == "species"


def download(page, folder, name, text):
    """Click a download button and return the path of the saved file."""
    folder.mkdir(exist_ok=True)
    behavior = {"behavior": "allow", "downloadPath": str(folder)}
    page.execute_cdp_cmd("Browser.setDownloadBehavior", behavior)
    button(page, text).click()
    WebDriverWait(page, 60, poll_frequency=0.05).until(lambda _: (folder / name).exists())
    return folder / name


def test_downloads_match_the_page(page, tmp_path):
    setting(page, "noise").send_keys(Keys.ARROW_RIGHT)
    settle(page)
    image = imread(download(page, tmp_path, "moons.png", "PNG"))
    assert image.shape[:2] == (1280 + 60, 1280)
    assert image.std() > 0.1
    legend = (255 * image[-60:, :, :3]).round().astype(int).reshape(-1, 3).tolist()
    for color in ([0xD9, 0x82, 0x00], [0x0F, 0x6F, 0xB5], [0x16, 0x19, 0x1D]):  # of the classes and of the text
        assert legend.count(color) > 50
    path = download(page, tmp_path, "moons.skops", "skops")
    clf = skops.io.load(path, trusted=["moonnet._classifier.KerasMoonClassifier"])
    assert np.array_equal(clf._network.flatten(clf._state), weights(page))
    table = pd.read_csv(download(page, tmp_path, "moons-samples.csv", "CSV"))
    X, y = table.loc[table["held_out"] == 1, ["x", "y"]].to_numpy(), table.loc[table["held_out"] == 1, "class"]
    assert page.find_element(By.CSS_SELECTOR, ".accuracy").text == f"{100 * clf.score(X, y):.1f} %"
    # test_explore_session.py reads the Keras file, for which Python imports TensorFlow
    run(page, "explorer.model.send = (request) => { window.requested = request; }")
    button(page, "Keras").click()
    assert page.execute_script("return [requested.kind, requested.format]") == ["file", "keras"]


def test_pictures_of_numbers_are_downloaded(page, tmp_path):
    for name in ("sine", "saddle"):
        choose(page, "data", name)
        settle(page)
        image = imread(download(page, tmp_path, f"{name}.png", "PNG"))
        assert image.shape[:2] == (1280 + 60, 1280)
        assert image.std() > 0.1


def test_address_restores_settings_and_network(page):
    drag(page, [(0.3, 0.3)], "class-1")
    setting(page, "epochs").send_keys(Keys.ARROW_LEFT)
    settle(page)
    wait(page, "decodeURIComponent(location.hash).includes('epochs=75')")
    address, state, before = page.current_url, settings(page), weights(page)
    open_page(page, address)
    assert settings(page) == state
    assert np.array_equal(weights(page), before)


INVALID = [
    ("noise=NaN", "noise must be a number from 0 to 1. Got 'NaN' instead."),
    ("epochs=1000000000", "epochs must be a whole number from 1 to 1000. Got 1000000000 instead."),
    ("hidden_layer_sizes=[1e3]", "hidden_layer_sizes must be a list of at most 6 whole numbers from 1 to 64. Got"),
    ("__proto__=1&evil=<img src=x>", "settings must be among data, n_samples"),
    ("hidden_layer_sizes=5", "hidden_layer_sizes must be a list of at most 6 whole numbers from 1 to 64. Got 5"),
    ("data=own&features=3", "features must be a list of one or two different column names, or null"),
    ("data=own", "No table is open. Open the CSV file again: the address contains only the settings."),
]


def test_invalid_settings_in_address_show_problem(browser, server):
    resize(browser, DESKTOP)
    for values, message in INVALID:
        browser.get("about:blank")
        browser.get(f"{server.address}#{values}")
        wait(browser, "explorer?.status.dataset.kind === 'problem'")
        assert status(browser).startswith(message)
        assert run(browser, "return document.querySelectorAll('main img').length") == 0
    reset(browser)


def test_four_simultaneous_pages_show_their_own_networks(browser, server):
    first = browser.current_window_handle
    open_page(browser, f"{server.address}#noise=0.1")
    for index in range(3, 6):
        browser.switch_to.new_window("tab")
        resize(browser, DESKTOP)
        browser.get(f"{server.address}#noise=0.{index}")
    try:
        for _ in range(2):  # in turn, without waiting for any training
            for handle in browser.window_handles:
                browser.switch_to.window(handle)
                wait(browser, "explorer?.trainId > 0")
                setting(browser, "epochs").send_keys(Keys.ARROW_RIGHT)
        noises = set()
        for handle in browser.window_handles:
            browser.switch_to.window(handle)
            settle(browser)
            assert settings(browser)["epochs"] == 200
            assert np.array_equal(weights(browser), expected_weights(browser))
            noises.add(settings(browser)["noise"])
        assert noises == {0.1, 0.3, 0.4, 0.5}
    finally:
        for handle in browser.window_handles:
            browser.switch_to.window(handle)
            if handle != first:
                browser.close()
        browser.switch_to.window(first)


def test_page_reconnects_to_restarted_server(browser, csv_server):
    page = open_page(browser, csv_server.address.replace("data=own", "data=moons"))
    csv_server.kill()
    wait(page, "explorer.status.dataset.kind === 'problem'")
    assert status(page) == "Not connected. Reconnecting … (If the server has stopped, run moonnet explore again.)"
    setting(page, "noise").send_keys(Keys.ARROW_RIGHT)  # while no server is running
    csv_server.start()
    wait(page, "explorer.status.dataset.kind === ''")
    settle(page)
    assert settings(page) == {"data": "moons", "noise": 0.21}
    assert np.array_equal(weights(page), expected_weights(page))


def test_page_fits_width_of_phone(browser, server):
    page = open_page(browser, server.address, PHONE)
    wide = run(
        page,
        """
        return [document.documentElement, ...document.querySelectorAll("main *")]
            .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5
                && !element.matches(".visually-hidden, [popover], [popover] *, dialog, dialog *"))
            .map((element) => element.outerHTML.slice(0, 80));
        """,
    )
    assert wide == []
    for name in ("data", "noise", "epochs"):
        assert setting(page, name).is_displayed()
    assert page.find_element(By.CSS_SELECTOR, ".plane").size["width"] > 300


def test_keyboard_reaches_all_controls_and_edits_points(page):
    run(page, "document.activeElement.blur()")
    reached = []
    for _ in range(80):
        press(page, Keys.TAB)
        active = page.switch_to.active_element
        if active.tag_name == "body":
            break
        name = next(filter(None, map(active.get_attribute, ("data-setting", "aria-label", "value"))), active.text)
        reached.append(name)
    assert {"data", "Open CSV", "noise", "What is noise?", "random_state", "activation"} <= set(reached)
    assert {"Units in layer 1", "Remove layer 1", "Add layer", "early_stopping", "Reset"} <= set(reached)
    assert {"off", "Play", "Previous epoch", "Epoch", "Copy Python", "Keras"} <= set(reached)
    page.find_element(By.CSS_SELECTOR, ".tools input[value=off]").send_keys(Keys.ARROW_RIGHT)  # class 0
    plane = page.find_element(By.CSS_SELECTOR, ".plane")
    plane.send_keys(Keys.ARROW_UP * 3, Keys.ARROW_RIGHT, Keys.ENTER)
    settle(page)
    (x, y, label) = settings(page)["drawn"][0]
    assert (round(x, 4), round(y, 4), label) == (0.613, 0.588, 0)  # from the centre (0.5, 0.25), in steps of 4.5 / 40
    page.find_element(By.CSS_SELECTOR, ".tools input[value=class-0]").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    plane.send_keys(Keys.ARROW_UP * 3, Keys.ARROW_RIGHT, Keys.SPACE)
    settle(page)
    assert "drawn" not in settings(page)


def test_controls_have_accessible_names(page):
    page.execute_cdp_cmd("Accessibility.enable", {})
    nodes = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"slider", "combobox", "button", "checkbox", "radio", "spinbutton", "image", "group", "region"}
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node.get("ignored") and node.get("role", {}).get("value") in roles
    ]
    assert len(named) > 40
    assert [role for role, name in named if not name.strip()] == []
    assert ("slider", "noise") in named
    assert ("image", "Decision regions over x and y; held-out accuracy 92.0 %") in named


def test_help_button_shows_documentation_of_parameter(page):
    page.find_element(By.CSS_SELECTOR, "[aria-label='What is dropout?']").click()
    doc = page.find_element(By.CSS_SELECTOR, ".row-dropout .doc")
    assert doc.is_displayed()
    assert doc.text.startswith("Share of the outputs of each hidden layer that is set to zero")
    press(page, Keys.ESCAPE)
    assert not doc.is_displayed()


def test_colors_follow_color_scheme_of_browser(browser, server):
    page = open_page(browser, server.address, scheme="dark")
    color = "getComputedStyle(explorer.root.querySelector('.panel')).backgroundColor.match(/\\d+/g).map(Number)"
    for size in (DESKTOP, PHONE):
        resize(page, size)
        emulate_scheme(page, "dark")
        wait(page, f"Math.max(...{color}) < 60")
        emulate_scheme(page, "light")
        wait(page, f"Math.min(...{color}) > 200")


def test_address_with_wrong_token_is_forbidden(browser, server):
    secret = server.address.rstrip("/").rpartition("/")[2]
    browser.get(server.address.replace(secret, "0" * len(secret)))
    assert "403" in browser.find_element(By.TAG_NAME, "body").text
