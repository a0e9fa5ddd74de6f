"""The explorer as a Jupyter widget: alone, and in JupyterLab in a real browser (``make explorer-test``)."""

import inspect
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import urllib.request
from contextlib import suppress
from time import monotonic, sleep
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import skops.io
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from sklearn.datasets import load_iris, make_moons

from helpers import SMALL, free_port, run_python
from moonnet import KerasMoonClassifier
from moonnet.explore import Explorer
from moonnet.explore._bundle import PAGE, bundle

# ---- without a browser


@pytest.fixture
def answers(monkeypatch):
    """A queue of the messages from widgets to their pages, as (content, buffers)."""
    sent = queue.Queue()
    monkeypatch.setattr(Explorer, "send", lambda self, content, buffers=None: sent.put((content, buffers)))
    return sent


@pytest.fixture
def make_explorer():
    """Return a function that makes widgets, which are closed after the test."""
    made = []

    def make(*arguments):
        made.append(Explorer(*arguments))
        return made[-1]

    yield make
    for explorer in made:
        explorer.close()


def ask(explorer, kind, **content):
    """Send a request as the comm of a page does."""
    explorer.comm.handle_msg(
        {"content": {"data": {"method": "custom", "content": {"kind": kind, "id": 1, **content}}}, "buffers": []}
    )


def next_answer(answers, kind):
    """Return the header of the next answer of a kind."""
    while True:
        content, [packed] = answers.get(timeout=60)
        length = int.from_bytes(packed[:4], "little")
        header = json.loads(packed[4 : 4 + length])
        assert content == {"kind": header["kind"]}
        assert header["kind"] != "problem" or kind == "problem", header
        if header["kind"] == kind:
            return header


def test_explorer_requires_both_x_and_y_or_neither(moons):
    X, y = moons
    with pytest.raises(ValueError, match=r"X and y must be given together\. Got X alone\."):
        Explorer(X)
    with pytest.raises(ValueError, match=r"X and y must be given together\. Got y alone\."):
        Explorer(y=y)
    with pytest.raises(ValueError, match=r"y must contain labels of 2 to 10 classes\. Got 20 classes instead\."):
        Explorer(X, np.arange(200) % 20)


def test_widget_state_contains_page_and_settings(make_explorer, moons):
    state = make_explorer().get_state()
    assert state["_esm"] == bundle()
    assert state["_css"] == (PAGE / "explorer.css").read_text(encoding="utf-8")
    assert state["settings"] == {}
    assert make_explorer(*moons).get_state("settings") == {"settings": {"data": "own"}}


def test_signature_shows_arguments():
    assert list(inspect.signature(Explorer).parameters) == ["X", "y"]


def test_no_thread_starts_before_first_request(make_explorer):
    before = threading.active_count()
    explorer = make_explorer()
    explorer.settings = {"noise": 0.4}
    assert explorer.estimator_ is None
    assert threading.active_count() == before
    explorer.close()
    assert explorer.comm is None


def test_widget_answers_requests_of_its_page(make_explorer, answers, moons):
    explorer = make_explorer()
    ask(explorer, "hello")
    assert next_answer(answers, "controls")["table"] is None
    ask(explorer, "train", settings={"epochs": 5})
    assert next_answer(answers, "picture")["final"]
    clf = KerasMoonClassifier(epochs=5, random_state=0).fit(*moons)
    assert explorer.estimator_.get_params() == clf.get_params()
    assert np.array_equal(explorer.estimator_.predict_proba(moons[0]), clf.predict_proba(moons[0]))
    ask(explorer, "nonsense")
    assert "Invalid request" in next_answer(answers, "problem")["message"]


def test_estimator_predicts_numbers_from_one_column(make_explorer, answers):
    X = np.linspace(0, 10, 60)[:, np.newaxis]
    y = pd.Series(100 * np.sin(X[:, 0]), name="height")
    explorer = make_explorer(X, y)
    ask(explorer, "train", settings={**SMALL, **explorer.settings, "loss": "absolute_error"})
    picture = next_answer(answers, "picture")
    assert [axis["name"] for axis in picture["axes"]] == ["0", "height"]
    assert explorer.estimator_[-1].loss == "absolute_error"
    assert explorer.estimator_.predict(X).shape == (60,)


def test_estimator_accepts_columns_of_array(make_explorer, answers):
    X, y = load_iris(return_X_y=True)
    explorer = make_explorer(X, y)
    ask(explorer, "hello")
    assert next_answer(answers, "controls")["table"] == {
        "name": "X",
        "targets": [{"name": "y", "features": ["0", "1", "2", "3"], "is_regression": False}],
    }
    ask(explorer, "train", settings={"data": "own"})
    assert next_answer(answers, "picture")["classes"] == ["0", "1", "2"]
    assert explorer.estimator_.score(X, y) > 0.9
    ask(explorer, "train", settings={"data": "own", "features": ["3", "0"]})
    next_answer(answers, "picture")
    assert explorer.estimator_.score(X[:, [3, 0]], y) > 0.9


def test_estimator_accepts_columns_of_dataframe_by_name(make_explorer, answers):
    X, y = load_iris(return_X_y=True, as_frame=True)
    explorer = make_explorer(X, y)
    for chosen in (None, ["petal width (cm)", "sepal length (cm)"]):
        ask(explorer, "train", settings={"data": "own", "features": chosen})
        next_answer(answers, "picture")
        names = explorer.estimator_.feature_names_in_.tolist()
        assert names == (list(X) if chosen is None else chosen)
        assert explorer.estimator_.score(X[names], y) > 0.9


LEAVE_WHILE_TRAINING = """
import threading
from moonnet.explore import Explorer
explorer, training = Explorer(), threading.Event()
explorer.send = lambda content, buffers: content["kind"] == "picture" and training.set()
settings = {"hidden_layer_sizes": [64, 64, 64], "epochs": 500, "batch_size": 10}
explorer._receive_request(explorer, {"kind": "train", "settings": settings}, [])
assert training.wait(120)
print("leaving", explorer.estimator_)
"""


@pytest.mark.slow
def test_leaving_the_interpreter_ends_training():
    assert run_python(LEAVE_WHILE_TRAINING) == "leaving None\n"


def test_close_ends_training(make_explorer, answers):
    explorer = make_explorer()
    ask(explorer, "train", settings={"epochs": 1000, "batch_size": 1, "n_samples": 1000})
    next_answer(answers, "picture")
    explorer.close()
    assert "moonnet-explorer" not in {thread.name for thread in threading.enumerate()}
    assert explorer.comm is None
    explorer.close()


# ---- in JupyterLab

in_browser = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed"),
]

CELLS = [
    "from moonnet.explore import Explorer\nexplorer = Explorer()\nexplorer",
    "explorer",
    "from sklearn.datasets import load_iris\nX, y = load_iris(return_X_y=True)\niris = Explorer(X, y)\niris",
    "from sklearn.datasets import make_moons\nanother = Explorer()\nanother",
]
FIRST, SECOND, IRIS, ANOTHER = range(4)


def as_notebook(cells):
    empty = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    return {
        "cells": [{**empty, "id": f"cell-{index}", "source": source} for index, source in enumerate(cells)],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """JupyterLab with a notebook; it neither reads nor writes the user's files."""
    folder = tmp_path_factory.mktemp("jupyter")
    root, log = folder / "root", folder / "log"
    root.mkdir()
    (root / "explorer.ipynb").write_text(json.dumps(as_notebook(CELLS)))
    names = {
        "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
        "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR",
    }  # fmt: skip
    port = free_port()
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}", "--IdentityProvider.token=secret",
        "--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    address = f"http://127.0.0.1:{port}/"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {name: str(folder / name.lower()) for name in names},
        )
    try:
        wait_for_server(f"{address}api/status?token=secret", process, log)
        yield SimpleNamespace(address=address, log=log)
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_for_server(address, process, log):
    end = monotonic() + 60
    while monotonic() < end and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(address, timeout=10):
            return
        sleep(0.1)
    pytest.fail(f"JupyterLab has not started:\n{log.read_text()}")


class Notebook:
    """The open notebook after its cells have run. In scripts, ``explorers`` are its pages, one per cell."""

    def __init__(self, browser, server):
        self.browser = browser
        browser.set_script_timeout(60)
        metrics = {"width": 1400, "height": 4200, "deviceScaleFactor": 1, "mobile": False}  # shows every cell
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get(f"{server.address}lab/tree/explorer.ipynb?token=secret&reset")
        self.wait("window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'")
        self.command("notebook:run-all-cells")
        self.wait(f"explorers.length === {len(CELLS)}")
        self.settle()

    def run(self, script, *arguments):
        explorers = "[...document.querySelectorAll('.moonnet-explorer')].map(root => root.explorer)"
        return self.browser.execute_script(f"const explorers = {explorers}; {script}", *arguments)

    def wait(self, condition):
        def holds(_):
            return self.run(f"return Boolean({condition})")

        WebDriverWait(self.browser, 60, poll_frequency=0.02).until(holds, condition)

    def settle(self):
        """Wait until every page shows the network and the film of its newest settings."""
        self.wait("explorers.every(page => page.shownId >= page.trainId && page.film.nEpochs > 0)")

    def command(self, name, **arguments):
        script = "const [name, options, done] = arguments; jupyterapp.commands.execute(name, options).finally(done)"
        self.browser.execute_async_script(script, name, arguments)

    def python(self, code):
        """Run code in the kernel and return what it prints."""
        printed, error = self.browser.execute_async_script(
            """
            const [code, done] = arguments;
            const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
            const future = kernel.requestExecute({ code, store_history: false });
            let [printed, error] = ["", null];
            future.onIOPub = ({ header, content }) => {
              if (header.msg_type === "stream") printed += content.text;
              if (header.msg_type === "error") error = content.traceback.join("\\n");
            };
            future.done.finally(() => done([printed, error]));
            """,
            code,
        )
        assert error is None, error
        return printed

    def set(self, name, **settings):
        """Set a widget's settings in Python, and wait until its pages show them."""
        before = self.run("return Math.max(...explorers.map(page => page.trainId))")
        self.python(f"{name}.settings = {settings!r}")
        self.wait(f"explorers.some(page => page.trainId > {before})")
        self.settle()

    def settings(self, name):
        return json.loads(self.python(f"import json; print(json.dumps({name}.settings))"))

    def evaluate_pages(self, expression):
        """Return the value of a JavaScript expression for each ``page``."""
        return self.run(f"return explorers.map(page => {expression})")

    def element(self, index, selector):
        return self.run("return explorers[arguments[0]].root.querySelector(arguments[1])", index, selector)

    def button(self, index, text):
        return self.element(index, ".layout").find_element(By.XPATH, f".//button[normalize-space()='{text}']")

    def press(self, *keys):
        ActionChains(self.browser).send_keys(*keys).perform()


# JupyterLab sometimes removes a theme's style sheet twice, and reports plugins that start slowly on a busy machine
JUPYTERLAB_MESSAGES = "Failed to execute 'removeChild' on 'Node'", "ms to activate"


@pytest.fixture(scope="module")
def opened_notebook(browser, server):
    yield Notebook(browser, server)
    messages = [entry["message"] for entry in browser.get_log("browser") if entry["level"] not in ("DEBUG", "INFO")]
    ours = [
        text for text in messages if "/static/lab/" not in text or not any(part in text for part in JUPYTERLAB_MESSAGES)
    ]
    assert ours == []
    requested = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in requested if not name.startswith((server.address, "data:", "blob:"))] == []
    assert browser.find_elements(By.CSS_SELECTOR, "[data-mime-type='application/vnd.jupyter.stderr']") == []
    assert "Traceback" not in server.log.read_text()


@pytest.fixture
def notebook(opened_notebook):
    """The notebook with the widgets' settings at their defaults."""
    for name, default in (("explorer", {}), ("iris", {"data": "own"})):
        if opened_notebook.settings(name) != default:
            opened_notebook.set(name, **default)
    return opened_notebook


COLORS = """
return explorers.flatMap(({ root }) => [...root.querySelectorAll("canvas")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}));
"""
WEIGHTS = "[...page.view.arrays.weights]"


class TestInJupyterLab:
    pytestmark = in_browser

    def test_pages_draw_fitted_network(self, notebook, moons):
        assert min(notebook.run(COLORS)) > 5
        clf = KerasMoonClassifier(random_state=0).fit(*moons)
        accuracy = clf.score(*make_moons(200, noise=0.2, random_state=1))
        assert notebook.element(FIRST, ".accuracy").text == f"{100 * accuracy:.1f} %"
        weights = clf._network.flatten(clf._state)
        first, second, _, _ = notebook.evaluate_pages(WEIGHTS)
        assert np.array_equal(first, weights)
        assert np.array_equal(second, weights)

    def test_element_ids_are_unique_in_document(self, notebook):
        ids = notebook.run("return [...document.querySelectorAll('.moonnet-explorer [id]')].map(node => node.id)")
        assert len(ids) == len(set(ids))

    def test_change_on_page_updates_python(self, notebook):
        notebook.element(SECOND, "[data-setting=noise]").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        notebook.settle()
        assert notebook.settings("explorer") == {"noise": 0.22}
        assert notebook.evaluate_pages("page.value('noise')") == [0.22, 0.22, 0.2, 0.2]
        printed = notebook.python(
            "import numpy as np\nprint(explorer.estimator_._network.flatten(explorer.estimator_._state).tolist())"
        )
        first, second, _, _ = notebook.evaluate_pages(WEIGHTS)
        assert json.loads(printed) == first == second

    def test_change_in_python_updates_pages(self, notebook):
        notebook.set("explorer", noise=0.4)
        first, second, _, another = notebook.evaluate_pages(
            "[page.value('noise'), page.root.querySelector('.accuracy').textContent, page.status.dataset.kind]"
        )
        assert first == second
        assert first[0] == 0.4
        assert first[2] == ""
        assert another[0] == 0.2
        notebook.python("explorer.settings = {'noise': 7}")
        notebook.wait("explorers[0].status.textContent.startsWith('noise must be a number from 0 to 1')")

    def test_each_page_plays_its_own_film(self, notebook):
        notebook.set("explorer", epochs=50)  # a film of 2.5 seconds
        notebook.element(FIRST, "[aria-label='Previous epoch']").click()
        notebook.wait("explorers[0].film.epoch === 49")
        notebook.button(SECOND, "Play").click()
        notebook.wait("explorers[1].film.epoch > 3")
        assert notebook.evaluate_pages("page.film.epoch")[FIRST] == 49
        notebook.button(FIRST, "Play").click()
        notebook.wait("explorers.every(page => page.film.playing === null && page.film.epoch === null)")

    def test_each_page_opens_its_own_script_dialog(self, notebook):
        notebook.set("explorer", noise=0.1)
        notebook.button(FIRST, "Copy Python").click()
        notebook.wait("explorers[0].downloads.dialog.open")
        assert "noise=0.1, random_state=0)" in notebook.element(FIRST, "dialog pre").text
        assert notebook.evaluate_pages("page.downloads.dialog.open") == [True, False, False, False]
        notebook.press(Keys.ESCAPE)
        notebook.wait("!explorers[0].downloads.dialog.open")

    def test_download_matches_network_on_page(self, notebook, tmp_path):
        behavior = {"behavior": "allow", "downloadPath": str(tmp_path)}
        notebook.browser.execute_cdp_cmd("Browser.setDownloadBehavior", behavior)
        notebook.button(FIRST, "skops").click()
        path = tmp_path / "moons.skops"
        WebDriverWait(notebook.browser, 60, poll_frequency=0.05).until(lambda _: path.exists())
        clf = skops.io.load(path, trusted=["moonnet._classifier.KerasMoonClassifier"])
        weights = clf._network.flatten(clf._state)
        assert np.array_equal(weights, notebook.evaluate_pages(WEIGHTS)[FIRST])
        assert [file.name for file in tmp_path.iterdir()] == ["moons.skops"]

    def test_user_data_are_projected_on_principal_components(self, notebook):
        X, y = load_iris(return_X_y=True)
        printed = notebook.python("print(iris.estimator_.score(X, y), iris.settings)")
        accuracy, _, settings = printed.partition(" ")
        assert float(accuracy) > 0.9
        assert settings == "{'data': 'own'}\n"
        axis = notebook.evaluate_pages("page.view.header.axes[0].name")[IRIS]
        assert axis.startswith("principal component 1 (")
        n_points = notebook.evaluate_pages(
            "page.view.arrays.points.length / 2 + page.view.arrays.test_points.length / 2"
        )[IRIS]
        assert n_points == len(y) == len(X)

    def test_keys_pressed_on_page_are_not_jupyterlab_shortcuts(self, notebook):
        notebook.element(FIRST, "input[value=class-1]").click()
        notebook.run("explorers[0].plane.canvas.focus()")
        notebook.press("dd", "b", Keys.ARROW_UP, Keys.ENTER)
        notebook.settle()
        [[_, _, label]] = notebook.settings("explorer")["drawn"]
        assert label == 1
        assert len(notebook.browser.find_elements(By.CSS_SELECTOR, ".jp-CodeCell")) == len(CELLS)
        ActionChains(notebook.browser).key_down(Keys.CONTROL).send_keys("s").key_up(Keys.CONTROL).perform()
        notebook.wait("!jupyterapp.shell.currentWidget.context.model.dirty")

    def test_pages_follow_jupyterlab_theme(self, notebook):
        for theme, is_dark in (("JupyterLab Dark", "true"), ("JupyterLab Light", "false")):
            notebook.command("apputils:change-theme", theme=theme)
            notebook.wait(f"document.body.dataset.jpThemeName === '{theme}'")
            notebook.wait(f"explorers.every(page => page.root.classList.contains('dark') === {is_dark})")

    def test_collapsed_page_is_redrawn_when_expanded(self, notebook):
        notebook.run("window.collapsed = explorers")
        notebook.command("notebook:hide-all-cell-outputs")
        notebook.wait("window.collapsed.every(page => page.root.clientWidth === 0)")
        notebook.python("explorer.settings = {'noise': 0}")
        notebook.wait(
            "window.collapsed[0].shownId >= window.collapsed[0].trainId && window.collapsed[0].film.nEpochs > 0"
        )
        notebook.command("notebook:show-all-cell-outputs")
        notebook.wait("explorers.length === 4")
        notebook.settle()
        accuracy = notebook.python(
            "print(f'{100 * explorer.estimator_.score(*make_moons(200, random_state=1)):.1f} %')"
        )
        notebook.wait(f"explorers[0].root.querySelector('.accuracy').textContent === {accuracy.strip()!r}")

    def test_close_removes_page_and_ends_its_thread(self, notebook):
        count = "import threading; print([thread.name for thread in threading.enumerate()].count('moonnet-explorer'))"
        assert notebook.python(count) == "3\n"
        notebook.python("another.close()")
        notebook.wait("explorers.length === 3")
        assert notebook.python(count) == "2\n"
