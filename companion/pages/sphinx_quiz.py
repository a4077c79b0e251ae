"""A Sphinx extension: the directive `quiz NAME`, which shows the questions of a page.

Each question is a group of radio buttons. A script of the book, `quiz.js`, adds a button that tells whether the chosen
answer is right, and why; without scripts the reasons are in a folded list, and no button is shown.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from companion.pages import quizzes
from companion.pages.quizzes import Option, Question


class Quiz(SphinxDirective):
    """Shows the questions of `quizzes/NAME.yml`, below the folder of the pages, after its content."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The nodes of the introduction and of the questions; an unreadable file is an error of the directive."""
        name = self.arguments[0]
        path = Path(self.env.srcdir) / quizzes.QUIZ_FOLDER / f"{name}.yml"
        self.env.note_dependency(str(path))
        try:
            questions = quizzes.read_quiz(path)
        except (OSError, ValueError) as error:
            raise self.error(str(error)) from error
        shown = [self._question(question, f"quiz-{name}-{i}", i) for i, question in enumerate(questions, 1)]
        return [*self.parse_content_to_nodes(), *shown]

    def _question(self, question: Question, group: str, number: int) -> nodes.Node:
        """A group of radio buttons with a status line and the folded reasons."""
        letters = [f"{group}-{letter}" for letter, _ in zip("abcdefgh", question.options, strict=False)]
        parts = nodes.container(classes=["quiz"])
        parts += [html("<fieldset><legend>"), *self._inline(f"{number}. {question.question}"), html("</legend>")]
        for identifier, option in zip(letters, question.options, strict=True):
            radio = f'<input type="radio" name="{group}" id="{identifier}">'
            parts += html(f'<div class="quiz-option">{radio}<label for="{identifier}">')
            parts += [*self._inline(option.text), html("</label></div>")]
        button = f'<button type="button" hidden aria-label="Check question {number}">Check</button>'
        parts += html(f'{button}<p class="quiz-answer" role="status" aria-live="polite"></p></fieldset>')
        parts += html(f"<details><summary>Reasons for question {number}</summary><ul>")
        for identifier, option in zip(letters, question.options, strict=True):
            parts += self._reason(identifier, option)
        parts += html("</ul></details>")
        return parts

    def _reason(self, identifier: str, option: Option) -> list[nodes.Node]:
        verdict = "Right." if option.correct else "Not right."
        start = f'<span id="{identifier}-reason"><strong>{verdict}</strong> '
        texts = [html("<li><em>"), *self._inline(option.text), html(f"</em> {start}"), *self._inline(option.reason)]
        return [*texts, html("</span></li>")]

    def _inline(self, text: str) -> list[nodes.Node]:
        """The nodes of a text in MyST on one line."""
        found, messages = self.parse_inline(" ".join(text.split()))
        return [*found, *messages]


def html(text: str) -> nodes.raw:
    """A piece of HTML, which other formats leave out."""
    return nodes.raw("", text, format="html")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension; Sphinx calls this."""
    app.add_directive("quiz", Quiz)
    return {"parallel_read_safe": True}
