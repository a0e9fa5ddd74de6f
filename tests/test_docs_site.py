"""The built documentation in a real browser; ``make docs`` builds it, ``make site-test`` runs these tests."""

import functools
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(__file__).parents[1] / "docs" / "_build" / "html"
PAGES = [
    "index.html",
    "lecture.html",
    "guide/index.html",
    "guide/plotting.html",
    "guide/migrating.html",
    "auto_gallery/index.html",
    "auto_gallery/plot_backpropagation.html",
    "auto_gallery/plot_film.html",
    "api.html",
    "api/moonnet.KerasMoonClassifier.html",
    "design.html",
]

pytestmark = pytest.mark.site


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def address():
    """The address of a local server of the site."""
    assert (SITE / "index.html").exists(), "make docs builds the site"
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


# Sphinx's search looks up "#moonnet.Name" on the page found, but in CSS the dot begins a class. Sphinx then shows no
# summary, and logs this warning if the summary arrives before the browser leaves the page.
SPHINX_WARNING = "Anchored content block not found"


def page_errors(browser):
    """Return the warnings and errors logged in the console since the last call."""
    return [
        entry["message"]
        for entry in browser.get_log("browser")
        if entry["level"] != "INFO" and SPHINX_WARNING not in entry["message"]
    ]


def external_requests(browser, address):
    """Return the addresses that the page has requested from other hosts."""
    names = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    return [name for name in names if not name.startswith((address, "data:", "blob:"))]


@pytest.mark.parametrize("page", PAGES)
def test_page_renders_all_images_without_errors(browser, address, page):
    browser.get(address + page)
    assert browser.find_element("tag name", "h1").is_displayed()
    broken = browser.execute_async_script("""
        const done = arguments[arguments.length - 1];
        const images = [...document.images];
        images.forEach(image => { image.loading = "eager"; });
        Promise.all(images.map(image => image.decode().then(() => null, () => image.src)))
            .then(sources => done(sources.filter(source => source !== null)));
    """)
    assert broken == []
    assert page_errors(browser) == []
    assert external_requests(browser, address) == []


def test_no_page_is_wider_than_a_phone_screen(browser, address):
    """Neither the page nor its text column is wider than the screen; wide code and tables scroll separately."""
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    pages = [path.relative_to(SITE) for path in sorted(SITE.rglob("*.html")) if "_static" not in path.parts]
    assert len(pages) > 30
    too_wide = {}
    try:
        for page in pages:
            browser.get(address + page.as_posix())
            widths = browser.execute_script("""
                const containers = [document.documentElement, ...document.querySelectorAll(".bd-article-container")];
                return containers.map(element => element.scrollWidth - element.clientWidth);
            """)
            if max(widths) > 0:
                too_wide[page.as_posix()] = widths
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page_errors(browser)
    assert too_wide == {}


@pytest.mark.parametrize("page", ["index.html", "guide/plotting.html"])
def test_dark_mode_has_dark_background_and_light_text(browser, address, page):
    browser.get(address + page)
    browser.execute_script("localStorage.setItem('mode', 'dark'); localStorage.setItem('theme', 'dark')")
    try:
        browser.get(address + page)
        background, text = (
            sum(map(float, browser.find_element("tag name", "body").value_of_css_property(name)[5:-1].split(",")[:3]))
            for name in ("background-color", "color")
        )
        assert background < 150 < 450 < text  # sums of red, green and blue
    finally:
        browser.execute_script("localStorage.clear()")


def test_search_box_finds_classifier(browser, address):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(address + "guide/index.html")
    next(b for b in browser.find_elements("css selector", ".search-button__button") if b.is_displayed()).click()
    box = next(box for box in browser.find_elements("css selector", "input[name=q]") if box.is_displayed())
    box.send_keys("KerasMoonClassifier", Keys.RETURN)
    found = WebDriverWait(browser, 20).until(
        lambda driver: driver.find_elements("css selector", "#search-results li a[href*='KerasMoonClassifier']")
    )
    assert found[0].is_displayed()
    found[0].click()
    assert "KerasMoonClassifier" in browser.find_element("tag name", "h1").text
    assert page_errors(browser) == []


class Links(HTMLParser):
    """The link and image targets of a page, and its anchors."""

    def __init__(self, path):
        super().__init__()
        self.targets, self.anchors = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        self.targets += [names[name] for name in ("href", "src") if names.get(name)]
        self.anchors |= {names[name] for name in ("id", "name") if names.get(name)}


def test_internal_links_resolve():
    pages = {path.resolve(): Links(path) for path in SITE.rglob("*.html") if "_static" not in path.parts}
    assert len(pages) > 30
    dangling, n_links = [], 0
    for page, links in pages.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            n_links += 1
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            misses_anchor = file in pages and parts.fragment and unquote(parts.fragment) not in pages[file].anchors
            if not file.is_file() or misses_anchor:
                dangling.append((page.name, target))
    assert n_links > 500
    assert dangling == []
