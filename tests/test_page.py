"""The page in a real browser: every flow, by mouse and by keyboard, and nothing leaves the machine.

Pictures of the views go to the folder that AI_DETECT_SCREENSHOTS names, or else to a temporary one.
"""

import csv
import importlib.util
import io
import itertools
import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_detect.visible import Visible, is_hidden
from tests.command_support import wait_until
from tests.conftest import SAMPLE
from tests.server_support import API, Server, serving

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, Locator, Page, expect  # noqa: E402

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}")

VIEWS = ("essay", "file", "model", "drift", "log", "api")
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "is_mobile": True,
    "has_touch": True,
}
KEY = "a-key-of-at-least-sixteen-letters"
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror='alert(2)'> </div></section> \" & &lt; --> ]]> {{7*7}} "
    "\u202eevil\u202c \u2066x\u2069 z\u200bero \x1b[31m B\u0435ll \u05e9\u05dc\u05d5\u05dd \u2028 \U0001d4d0\U0001f469 "
    "https://example.com/ And I thought that we should all go home. So I said it again, and it was fine! "
)
LOGGED = (
    "2026-01-02T03:04:05.678+00:00 WARNING 1 ai_detect.data <img src=x onerror=alert(3)> \u202eback"
)


class Spelt(Visible):
    """Hidden characters as the page spells them."""

    def spelt(self, name: str) -> str:
        return name


@pytest.fixture(scope="module")
def data_dir(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "data"
    shutil.copytree(trained / "data", folder)
    return folder


@pytest.fixture(scope="module")
def server(data_dir: Path) -> Iterator[Server]:
    with serving(data_dir) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def essays(server: Server) -> dict[str, str]:
    """A text of the sample for each verdict, as the API gives it."""
    texts = [row["text"] for row in rows_of(SAMPLE / "test.csv")]
    answer = server.client.post(f"{API}/predict", json={"texts": texts}).json()
    called = [prediction["verdict"] for prediction in answer["predictions"]]
    return {verdict: texts[called.index(verdict)] for verdict in ("llm", "human", "unsure")}


class Visit:
    """A page in a window of its own, and what happened in it."""

    def __init__(self, browser: Browser, address: str, options: dict[str, Any]) -> None:
        self.address = address
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(10_000)
        self.page: Page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.may_be_refused = False
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.context.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def show(self, view: str) -> Page:
        self.page.goto(f"{self.address}/#/{view}")
        expect(self.page.locator(f"#{view}")).to_be_visible()
        expect(self.page.locator("#footer-model")).not_to_have_text("ai_detect")
        return self.page

    def check_essay(self, text: str) -> Page:
        page = self.show("essay")
        page.fill("#essay-text", text)
        page.click("#essay-form button.primary")
        expect(page.locator(".verdict")).to_be_visible()
        return page

    def close(self) -> None:
        self.context.close()
        assert self.requests
        elsewhere = [
            url for url in self.requests if not url.startswith((f"{self.address}/", "blob:"))
        ]
        assert not elsewhere
        refusals = "Failed to load resource" if self.may_be_refused else "\0"
        assert not [text for text in self.complaints if not text.startswith(refusals)]


Open = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Open]:
    """Open windows; at the end, no request has left the machine and nothing was complained of."""
    visits: list[Visit] = []

    def opened(at: str = server.url, **options: Any) -> Visit:
        visits.append(Visit(browser, at, {**DESK, **options}))
        return visits[-1]

    yield opened
    for one in visits:
        one.close()


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("AI_DETECT_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def scripts(browser: Browser, server: Server) -> Iterator[Page]:
    """A page for the parts that need none."""
    one = Visit(browser, server.url, DESK)
    yield one.show("api")
    one.close()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def has_no_sideways_scroll(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize(
    ("verdict", "headline"),
    [
        ("llm", "Reads like the work of a language model"),
        ("human", "Reads like the work of a person"),
        ("unsure", "No verdict"),
    ],
)
def test_an_essay_gets_the_verdict_of_the_api_in_words(
    visit: Open, essays: dict[str, str], server: Server, verdict: str, headline: str
) -> None:
    found = server.client.post(f"{API}/explain", json={"text": essays[verdict]}).json()
    page = visit().check_essay(essays[verdict])
    expect(page.locator(".verdict h2")).to_have_text(headline)
    expect(page.locator("#essay-status")).to_contain_text(headline)  # read aloud
    expect(page.locator(".needle-name")).to_have_text(
        re.compile(rf"^(over 99\.9|under 0\.1|{100 * found['probability']:.1f}) %$")
    )
    expect(page.locator(".zone-name")).to_have_text(["human", "no verdict", "llm"])
    expect(page.locator(".rarity")).to_contain_text("Of 1,000 human texts of this length")
    expect(page.locator(".caution")).to_contain_text("Never the only ground for an accusation")
    expect(page.locator(".verdict")).to_contain_text(f"{found['words']} words")
    expect(page.locator(".legend li")).to_have_count(5)
    marks = [
        (("for", "against")[level < 0] + str(abs(level)), found["levels"].count(level))
        for level in (-2, -1, 1, 2)
    ]
    for mark, count in marks:
        expect(page.locator(f".text mark.{mark}")).to_have_count(count)
    assert shown_text(page) == essays[verdict].translate(Spelt())


def shown_text(page: Page) -> str:
    """Return the marked text without the figures beside strong sentences."""
    return str(
        page.evaluate(
            """() => {
                const copy = document.querySelector(".text").cloneNode(true);
                for (const figure of copy.querySelectorAll("sup")) figure.remove();
                return copy.textContent;
            }"""
        )
    )


def test_a_short_text_gets_no_verdict_and_says_why(visit: Open) -> None:
    page = visit().check_essay("I went home. It was late.")
    expect(page.locator(".verdict h2")).to_have_text("No verdict")
    expect(page.locator(".verdict")).to_contain_text("under 50 words no verdict is given")
    expect(page.locator(".zone-name")).to_have_count(0)
    expect(page.locator("#essay-count")).to_contain_text("50 are needed")
    page.click("#essay-clear")
    page.click("#essay-form button.primary")
    expect(page.locator("#essay-error")).to_contain_text("There is no text yet")


def test_an_essay_of_hostile_markup_shows_as_text(visit: Open) -> None:
    text = HOSTILE * 4
    page = visit().check_essay(text)
    assert shown_text(page) == text.translate(Spelt())
    assert page.locator("#essay-result :is(script, img, a)").count() == 0
    expect(page.locator(".text .odd").filter(has_text="U+202E")).to_have_count(4)
    expect(page.locator("#essay-result")).to_contain_text("invisible characters")


def test_an_essay_of_a_megabyte_is_read(visit: Open, essays: dict[str, str]) -> None:
    one = visit()
    page = one.show("essay")
    text = " ".join(itertools.islice(itertools.cycle(essays.values()), 1500))[:1_000_000]
    page.locator("#essay-text").evaluate("(area, text) => { area.value = text; }", text)
    page.click("#essay-form button.primary")
    expect(page.locator(".text.long")).to_be_visible(timeout=60_000)
    assert len(shown_text(page)) == len(text)


def test_what_is_chosen_reaches_the_service(visit: Open, essays: dict[str, str]) -> None:
    one = visit()
    page = one.show("essay")
    expect(page.locator("#essay-fpr option[value='0.001']")).to_be_disabled()  # too few human texts
    page.select_option("#essay-fpr", "0.05")
    page.fill("#essay-text", essays["llm"])
    with page.expect_request("**/api/v1/explain") as sent:
        page.press("#essay-text", "Control+Enter")
    assert sent.value.post_data_json == {"text": essays["llm"], "profile": "general", "fpr": 0.05}
    expect(page.locator(".verdict")).to_contain_text("at most 50")


def test_a_file_is_scored_shown_and_downloaded(
    visit: Open, server: Server, screenshots: Path
) -> None:
    one = visit()
    one.may_be_refused = True  # while the first run ends
    page = one.show("file")
    page.set_input_files("#file-input", SAMPLE / "test.csv")
    expect(page.locator("#file-name")).to_have_text("test.csv")
    page.click("#file-form button.primary")
    expect(page.locator(".said")).to_have_text("200 rows scored.", timeout=30_000)
    expect(page.locator("#file-status")).to_have_text("200 rows scored.")

    with page.expect_download() as download:
        page.click("text=Download results.csv")
    job = server.client.get(f"{API}/jobs").json()["jobs"][0]
    result = server.client.get(f"{API}/jobs/{job['id']}/result").content
    assert Path(download.value.path()).read_bytes() == result
    assert download.value.suggested_filename == "results.csv"

    rows = list(csv.DictReader(io.StringIO(result.decode())))
    shown = page.locator(".job tbody tr")
    expect(shown).to_have_count(20)
    first = shown.first.locator("td").all_inner_texts()
    assert [first[0], first[2], first[3]] == [rows[0][name] for name in ("id", "verdict", "words")]
    expect(page.locator(".histogram rect")).to_have_count(20)
    heights = page.locator(".histogram rect").evaluate_all(
        "all => all.map(r => r.height.baseVal.value)"
    )
    assert [height > 0 for height in heights] == [count > 0 for count in job["histogram"]]
    expect(page.locator(".facts")).to_contain_text(f"{job['verdicts']['llm']} (")
    page.screenshot(path=screenshots / "file-done.png", full_page=True)

    row = page.locator("#file-jobs tr", has_text="test.csv")
    run_again(page, row)
    wait_until(lambda: server.job(job["id"])["finished"] > job["finished"])
    expect(page.locator(".said")).to_have_text("200 rows scored.", timeout=30_000)
    row.get_by_role("button", name="Remove").click()
    expect_removal(page, job)


def run_again(page: Page, row: Locator) -> None:
    """Click until the process of the run before has let go of its file."""
    for _ in range(100):
        with page.expect_response("**/rerun") as answer:
            row.get_by_role("button", name="Run again").click()
        if answer.value.status == 202:
            return
    pytest.fail("the file is not run again")


def expect_removal(page: Page, job: dict[str, Any]) -> None:
    """Confirm: the service takes the job away, at once or when its process has ended."""
    expect(page.locator("#ask-question")).to_contain_text(job["name"])
    with page.expect_response(lambda answer: answer.request.method == "DELETE") as answer:
        page.click("#ask-yes")
    assert answer.value.url.endswith(job["id"])
    assert answer.value.status in (202, 204)
    expect(page.locator(".job")).to_have_count(0)
    expect(page.locator("#file-jobs")).not_to_contain_text(job["name"])


def test_a_file_is_cancelled(visit: Open, server: Server, tmp_path: Path) -> None:
    text = rows_of(SAMPLE / "test.csv")[0]["text"]
    many = tmp_path / "many.csv"
    many.write_text("id,text\n" + "".join(f'{k},"{text}"\n' for k in range(50_000)))
    one = visit()
    page = one.show("file")
    page.route("**/predict/file", lambda route: None)  # neither sent on nor answered
    page.set_input_files("#file-input", many)
    page.click("#file-form button.primary")  # still being sent
    page.click(".job >> text=Cancel")
    expect(page.locator(".job")).to_have_count(0)
    expect(page.locator("#file-error")).to_be_empty()
    page.unroute("**/predict/file")

    page.click("#file-form button.primary")
    expect(page.locator("#file-jobs")).to_contain_text("many.csv")  # at work
    page.click(".job >> text=Cancel")
    [job] = [
        job for job in server.client.get(f"{API}/jobs").json()["jobs"] if job["name"] == "many.csv"
    ]
    expect_removal(page, job)


def test_a_file_can_be_dropped_and_a_wrong_one_is_refused_in_words(visit: Open) -> None:
    one = visit()
    one.may_be_refused = True
    page = one.show("file")
    page.click("#file-form button.primary")
    expect(page.locator("#file-error")).to_contain_text("There is no file yet")
    dropped = page.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File(["%PDF"], "<b>essay</b>.pdf"));
            return transfer;
        }"""
    )
    page.dispatch_event("#file-drop", "drop", {"dataTransfer": dropped})
    expect(page.locator("#file-name")).to_have_text("<b>essay</b>.pdf")
    page.click("#file-form button.primary")
    expect(page.locator("#file-error")).to_contain_text(".csv")
    expect(page.locator(".job")).to_have_count(0)


def test_the_log_is_filtered_and_downloaded(visit: Open, server: Server, data_dir: Path) -> None:
    with (data_dir / "log_file.log").open("a", encoding="utf-8") as log:
        log.write(LOGGED + "\n")
    page = visit().show("log")
    line = page.locator("#log-content tr", has_text="<img src=x onerror=alert(3)>")
    expect(line).to_contain_text("U+202E")
    expect(page.locator("#log-content .level.info").first).to_be_visible()
    page.select_option("#log-level", "WARNING")
    expect(page.locator("#log-content .level.info")).to_have_count(0)
    expect(page.locator("#log-content .level.warning")).not_to_have_count(0)
    page.fill("#log-words", "no line has these words")
    expect(page.locator("#log-status")).to_have_text("No such lines.")
    with page.expect_download() as download:
        page.click("#log-download")
    whole = server.client.get(f"{API}/log/download").content
    assert LOGGED.encode() in whole
    assert whole.startswith(Path(download.value.path()).read_bytes())


def test_the_model_shows_its_card_figures_and_plots(visit: Open, server: Server) -> None:
    model = server.client.get(f"{API}/model").json()
    page = visit().show("model")
    expect(page.locator("#model-content")).to_contain_text(model["version"])
    expect(page.locator("#model-content .card h2").first).to_have_text(
        re.sub("^# ", "", model["card"].splitlines()[0])
    )
    expect(page.locator("#model-content .card table")).not_to_have_count(0)
    expect(page.locator("#model-content img")).to_have_count(3)
    for picture in page.locator("#model-content img").all():
        expect(picture).to_have_js_property("naturalWidth", 600)


def test_drift_shows_what_moved(visit: Open, server: Server, screenshots: Path) -> None:
    page = visit().show("drift")
    short = [" ".join(row["text"].split()[:20]) for row in rows_of(SAMPLE / "test.csv")]
    server.client.post(f"{API}/predict", json={"texts": short}).raise_for_status()
    report = server.client.get(f"{API}/drift").json()
    page.click("#drift-refresh")
    expect(page.locator(".verdict h2")).to_have_text("Major drift")
    expect(page.locator("#drift-status")).to_have_text(report["summary"])
    expect(page.locator(".feature")).to_have_count(len(report["features"]))
    moved = next(one for one in report["features"] if one["level"] == "major")
    shown = page.locator(".feature").filter(has=page.get_by_text(moved["title"], exact=True))
    expect(shown).to_contain_text(moved["direction"])
    expect(shown.locator("rect.now")).to_have_count(len(moved["observed"]))
    page.screenshot(path=screenshots / "drift-major.png", full_page=True)


def test_the_api_page_names_this_service(visit: Open, server: Server) -> None:
    page = visit().show("api")
    expect(page.locator("pre").first).to_contain_text(f"curl {server.url}/api/v1/predict")
    known = server.client.get(f"{API}/openapi.json").json()["paths"]
    named = [
        path.replace("ID", "{job_id}")
        for path in re.findall(r"/api/\S+", page.inner_text("#api table"))
    ]
    assert {path for path in named if "?" not in path} <= set(known)


def test_all_of_it_goes_without_a_mouse(visit: Open, essays: dict[str, str]) -> None:
    page = visit().show("essay")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    expect(page.locator("#essay")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("#essay-text")).to_be_focused()
    page.keyboard.insert_text(essays["llm"])
    page.keyboard.press("Control+Enter")
    expect(page.locator(".verdict")).to_be_visible()
    page.locator("nav a").nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#file-title")).to_be_focused()
    expect(page.locator("nav a[aria-current='page']")).to_have_text("File")
    page.keyboard.press("Tab")
    expect(page.locator("#file-input")).to_be_focused()
    page.go_back()
    expect(page.locator("#essay-title")).to_be_focused()
    expect(page.locator(".verdict")).to_be_visible()


def test_a_key_is_asked_for_where_the_service_wants_one(
    visit: Open, trained: Path, essays: dict[str, str], tmp_path: Path
) -> None:
    data = shutil.copytree(trained / "data", tmp_path / "data")
    with serving(data, env={"AI_DETECT_API_KEYS": f"page:admin:{KEY}"}) as locked:
        one = visit(at=locked.url)
        one.may_be_refused = True
        page = one.page
        page.goto(f"{locked.url}/#/model")
        page.fill("#key-input", "not-the-key-of-this-service")
        page.click("#key-form button.primary")
        expect(page.locator("#key-input")).to_have_value("")  # refused, and asked again
        page.fill("#key-input", KEY)
        page.keyboard.press("Enter")
        expect(page.locator("#model-content img").first).to_have_js_property("naturalWidth", 600)
        assert KEY in json.dumps(page.evaluate("({...sessionStorage})"))
        assert page.evaluate("localStorage.length") == 0
        page.goto(f"{locked.url}/#/essay")
        page.fill("#essay-text", essays["human"])
        page.press("#essay-text", "Control+Enter")
        expect(page.locator(".verdict")).to_be_visible()
        page.click("#forget-key")
        page.press("#essay-text", "Control+Enter")
        page.click("#key-form >> text=Cancel")
        expect(page.locator("#essay-error")).to_contain_text("key")
        one.close()


def test_a_service_that_is_gone_is_told_in_one_sentence(visit: Open) -> None:
    one = visit()
    one.may_be_refused = True
    page = one.show("essay")
    one.context.set_offline(True)
    page.fill("#essay-text", "Some words.")
    page.press("#essay-text", "Control+Enter")
    expect(page.locator("#essay-error")).to_contain_text("The service cannot be reached")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("light", DESK),
        ("dark", {**DESK, "color_scheme": "dark"}),
        ("phone", {**PHONE, "reduced_motion": "reduce"}),
    ],
)
def test_every_view_fits_and_is_accessible(
    visit: Open, essays: dict[str, str], screenshots: Path, name: str, options: dict[str, Any]
) -> None:
    axe = axe_script()
    one = visit(**options)
    for view in VIEWS:
        page = one.check_essay(essays["llm"]) if view == "essay" else one.show(view)
        page.wait_for_load_state("networkidle")
        assert has_no_sideways_scroll(page), view
        page.screenshot(path=screenshots / f"{view}-{name}.png", full_page=True)
        if not axe:
            continue
        page.evaluate(axe)
        violations = page.evaluate("axe.run(document).then(found => found.violations)")
        assert not [
            (view, violation["id"], [node["html"] for node in violation["nodes"]])
            for violation in violations
        ]
    is_dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(23, 24, 26)"
    assert is_dark == ("dark" in name)
    is_smooth = (
        page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "smooth"
    )
    assert is_smooth == (options.get("reduced_motion") != "reduce")
    if not axe:
        pytest.skip("axe-playwright-python is not installed: all but accessibility was tested")


def axe_script() -> str:
    found = importlib.util.find_spec("axe_playwright_python")
    if not found or not found.origin:
        return ""
    return Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8")


def test_hidden_characters_are_those_that_reports_spell_out(scripts: Page) -> None:
    assigned = [
        char
        for char in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(char) not in ("Cn", "Cs", "Co")
    ]
    hidden = scripts.evaluate(
        """async (text) => {
            const { visible } = await import("/static/words.js");
            return visible(text).filter(node => node.textContent !== undefined).map(node => node.textContent);
        }""",
        "".join(assigned),
    )
    assert hidden == [f"U+{ord(char):04X}" for char in assigned if is_hidden(char) and char != "\r"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\r\n1,2\r\n",
        'a\n"x, ""y""\nz"\n',
        "a,b\n,\n",
        'a,b\n"",last',
        "\u05d0,\U0001f600\r\n",
    ],
)
def test_csv_is_read_as_python_reads_it(scripts: Page, text: str) -> None:
    read = "async (text) => (await import('/static/csv.js')).parsed(text)"
    assert scripts.evaluate(read, text) == list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("# A *b*", "<h2>A <em>b</em></h2>"),
        ("one\ntwo **b** `c*d*`", "<p>one two <strong>b</strong> <code>c*d*</code></p>"),
        ("- a\n  more\n- b\n\nend", "<ul><li>a more</li><li>b</li></ul><p>end</p>"),
        ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
        ("```\n<b>\n```", '<pre tabindex="0"><code>&lt;b&gt;</code></pre>'),
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>"),
        ("[a](javascript:x)", "<p>[a](javascript:x)</p>"),
        ("[a](https://b.c)", '<p><a href="https://b.c" rel="noreferrer">a</a></p>'),
    ],
)
def test_markdown_of_a_card_becomes_elements(scripts: Page, markdown: str, html: str) -> None:
    rendered = """async (markdown) => {
        const { rendered } = await import("/static/markdown.js");
        return rendered(markdown).map(node => node.outerHTML).join("");
    }"""
    assert scripts.evaluate(rendered, markdown) == html
