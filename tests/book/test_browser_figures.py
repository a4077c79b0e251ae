"""Figures with sliders and quick checks in a real browser: moved by keys, and compared with Python."""

import random
import re

import pytest
import yaml
from playwright.sync_api import expect

from companion.build import notebooks
from companion.chapters import html_figures
from companion.chapters.ch04_surrogate.interactive import (
    ROWS,
    SURROGATE_RANGES,
    number_text,
    surrogate_figure,
    surrogate_numbers,
)
from companion.chapters.choosing.interactive import coverage_figure, coverage_numbers, read_systems, score_text
from companion.pages import quizzes
from l2h.problem import Costs

COSTS = Costs(c1=1.0, ce=0.18)
HEAD = "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"


@pytest.fixture
def open_alone(page, tmp_path):
    """Open a piece of HTML alone, from a file; the page."""

    def run(html):
        path = tmp_path / "figure.html"
        path.write_text(f"{HEAD}<title>Figure</title><main>{html}</main>", encoding="utf-8")
        page.goto(path.as_uri())
        return page

    return run


def press(page, part, key, times=1):
    """Press a key in a control of the figure."""
    page.locator(f"[data-part={part}]").focus()
    for _ in range(times):
        page.keyboard.press(key)


def assert_surrogate(page, **at):
    """That the script's numbers are those of Python, as data and as text."""
    numbers = surrogate_numbers(COSTS, **at)
    root = page.locator(".l2h-surrogate")
    for name in ROWS:
        shown = float(root.get_attribute(f"data-{name.replace('-', '')}"))
        assert shown == pytest.approx(numbers[name], abs=1e-9), (name, at)
        text = root.locator(f"[data-part={name}-0]").inner_text()
        assert text in {number_text(numbers[name] + noise) for noise in (-1e-9, 0, 1e-9)}, (name, at)
    acting = "ask" if numbers["slope"] >= -1e-12 else "keep"
    assert f"its minimiser would {acting}," in root.locator("[data-part=summary]").inner_text()


def test_the_surrogates_sliders_agree_with_python_wherever_they_stand(open_alone):
    page = open_alone(surrogate_figure(COSTS))
    assert_surrogate(page, alpha=1.0, beta=2.0, p=0.85, eta=0.85)
    chance = random.Random(0)
    for number in range(40):
        at = {"alpha": chance.randrange(2, 121) / 20, "beta": chance.randrange(5, 41) / 10}
        at |= {name: (0.0, 1.0)[number % 2] if number < 4 else chance.randrange(101) / 100 for name in ("p", "eta")}
        for name, value in at.items():
            page.locator(f"[data-part={name}]").fill(str(value))
        assert_surrogate(page, **at)
    assert page.faults == []


def test_the_script_draws_what_python_draws(open_alone):
    page = open_alone(surrogate_figure(COSTS))

    def state():
        parts = {"curve": ("points",), "asked": ("y1", "y2"), "kept": ("y1", "y2"), "point": ("cx", "cy")}
        texts = [
            page.locator(f"[data-part={part}]").get_attribute(name) for part, names in parts.items() for name in names
        ]
        return [float(number) for text in texts for number in re.split("[ ,]", text)]

    moved = {"alpha": 3.0, "beta": 1.5, "p": 0.4, "eta": 0.3}
    for name, value in moved.items():
        page.locator(f"[data-part={name}]").fill(str(value))
    by_script = state()
    open_alone(re.sub(r"<script>.*</script>", "", surrogate_figure(COSTS, **moved), flags=re.DOTALL))
    assert by_script == pytest.approx(state(), abs=0.11)


def test_the_surrogate_moves_by_keyboard_alone(open_alone):
    page = open_alone(surrogate_figure(COSTS))
    before = page.locator("[data-part=curve]").get_attribute("points")
    for name in SURROGATE_RANGES:
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.dataset.part") == name
    press(page, "alpha", "ArrowRight", 20)
    assert page.locator("[data-part=curve]").get_attribute("points") != before
    assert_surrogate(page, alpha=2.0, beta=2.0, p=0.85, eta=0.85)
    expect(page.locator("[data-part=summary]")).to_contain_text("would ask, as the Bayes rule does")


def assert_coverage(page, system, predictions, share, costs):
    """That the script's numbers are those of Python, as data and as text."""
    numbers, root = coverage_numbers(predictions, share, costs), page.locator(".l2h-coverage")
    for name in ("accuracy", "coverage", "loss", "least", "never", "always"):
        shown = float(root.get_attribute(f"data-{name}"))
        assert shown == pytest.approx(getattr(numbers, name), abs=1e-9), (name, system, share, costs)
    for name, (number, client_right, server_right) in numbers.cells.items():
        texts = [root.locator(f"[data-part={name}-{column}]").inner_text() for column in range(3)]
        assert texts[0] == str(number)
        if number:
            shares = [float(text.removesuffix(" %")) for text in texts[1:]]
            assert shares == pytest.approx([100 * client_right / number, 100 * server_right / number], abs=0.051)
        else:
            assert texts[1:] == ["–", "–"]
    text = root.locator("[data-part=summary]").inner_text()
    assert f"t = {score_text(numbers.threshold)}, {system} sends" in text


def test_accuracy_against_coverage_agrees_with_python_wherever_its_controls_stand(open_alone):
    page, systems = open_alone(coverage_figure()), read_systems()
    assert_coverage(page, "learning to help", systems["learning to help"], 0.3, Costs(1.0, 0.1))
    chance = random.Random(0)
    for number in range(30):
        system = list(systems)[number % len(systems)]
        share = (0.0, 1.0)[number] if number < 2 else chance.randrange(201) / 200
        costs = Costs(chance.randrange(41) / 20, chance.randrange(101) / 100)
        page.locator("[data-part=system]").select_option(system)
        for name, value in {"share": share, "c1": costs.c1, "ce": costs.ce}.items():
            page.locator(f"[data-part={name}]").fill(str(value))
        assert_coverage(page, system, systems[system], share, costs)
    assert page.faults == []


def test_the_script_draws_the_coverage_that_python_draws(open_alone):
    def state(page):
        parts = {"curve": ("points",), "random": ("y1", "y2"), "least": ("x", "y"), "point": ("cx", "cy")}
        texts = [page.locator(f"[data-part={part}]").get_attribute(name) for part in parts for name in parts[part]]
        return [float(number) for text in texts for number in re.split("[ ,]", text)]

    page = open_alone(coverage_figure())
    page.locator("[data-part=system]").select_option("triage")
    page.locator("[data-part=share]").fill("0.55")
    page.locator("[data-part=ce]").fill("0.3")
    by_script = state(page)
    html = coverage_figure("triage", share=0.55, costs=Costs(1.0, 0.3))
    assert by_script == pytest.approx(
        state(open_alone(re.sub(r"<script>.*</script>", "", html, flags=re.DOTALL))), abs=0.11
    )


def test_the_threshold_moves_by_keyboard_alone_and_says_where_it_stands(open_alone):
    page = open_alone(coverage_figure())
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert page.locator("[data-part=system]").input_value() == "confidence"
    press(page, "share", "ArrowRight", 2)
    assert_coverage(page, "confidence", read_systems()["confidence"], 0.31, Costs(1.0, 0.1))
    assert re.fullmatch(
        r"t = −?\d\.\d{4}, 31\.0 % sent", page.locator("[data-part=share]").get_attribute("aria-valuetext")
    )


def test_without_scripts_a_figure_stands_still_and_says_so(browser, tmp_path):
    context = browser.new_context(java_script_enabled=False)
    page, path = context.new_page(), tmp_path / "figure.html"
    path.write_text(HEAD + surrogate_figure(COSTS), encoding="utf-8")
    page.goto(path.as_uri())
    assert page.locator("input").first.is_hidden() and page.locator("[data-part=no-script]").is_visible()
    assert page.locator("[data-part=curve]").bounding_box()["height"] > 50
    context.close()


def test_the_style_of_the_figures_is_sound(page):
    n_rules = page.evaluate(
        """style => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(style);
          return [...sheet.cssRules].filter(rule => rule.style.length > 0).length;
        }""",
        html_figures.STYLE,
    )
    assert n_rules == len(html_figures.STYLE.splitlines())  # the browser drops what it cannot read


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "kind"), [("04_surrogate", "l2h-surrogate"), ("choosing", "l2h-coverage")])
def test_the_figure_stands_in_its_chapter_and_fits_a_phone(page, address, name, kind, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{address}/{name}.html", wait_until="load")
    root = page.locator(f".{kind}[data-ready]")
    assert root.locator("[data-part=no-script]").is_hidden() and root.locator("input").first.is_visible()
    assert root.locator("svg").evaluate("svg => svg.getBoundingClientRect().right") <= 360
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    assert page.faults == []


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in (notebooks.ROOT / "book" / quizzes.QUIZ_FOLDER).glob("*.yml"))
)
def test_each_page_checks_its_answers(page, address, name):
    questions = yaml.safe_load((notebooks.ROOT / "book" / quizzes.QUIZ_FOLDER / f"{name}.yml").read_text("utf8"))
    page.goto(f"{address}/{name}.html", wait_until="load")
    shown = page.locator(".quiz")
    assert shown.count() == len(questions)
    for index, question in enumerate(questions):
        quiz = shown.nth(index)
        for place, option in enumerate(question["options"]):
            quiz.locator("input").nth(place).check()
            assert quiz.locator("[role=status]").inner_text() == ""
            quiz.get_by_role("button").click()
            verdict = "Right." if option.get("correct") else "Not right."
            expect(quiz.locator("[role=status]")).to_contain_text(re.compile(rf"^{verdict}"))
    assert page.faults == []


def test_a_quick_check_is_answered_by_keyboard_alone(page, address):
    page.goto(f"{address}/index.html", wait_until="load")
    quiz = page.locator(".quiz").first
    assert "Choose an answer first." not in quiz.inner_text()
    quiz.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(quiz.locator("[role=status]")).to_have_text("Choose an answer first.")
    page.keyboard.press("Shift+Tab")  # into the group of options
    page.keyboard.press("Space")
    page.keyboard.press("ArrowUp")
    first = "() => document.activeElement.type === 'radio' && document.activeElement.checked"
    assert page.evaluate(first)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(quiz.locator("[role=status]")).to_contain_text(re.compile(r"^(Right|Not right)\."))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert quiz.locator("details").get_attribute("open") is not None
    assert page.faults == []


def test_a_quick_check_says_what_it_is_to_a_screen_reader(page, address):
    page.goto(f"{address}/index.html", wait_until="load")
    quiz = page.locator(".quiz").first
    tree = quiz.aria_snapshot()
    assert re.search(r'- group "1\. A rejector gives an input', tree)
    assert len(re.findall(r'- radio "[^"]{5,}"', tree)) == 3
    assert re.search(r'- button "Check question 1"', tree) and "- status" in tree
