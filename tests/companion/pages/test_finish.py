"""Finishing: pages lose weight and nothing that is seen."""

import random

from PIL import Image

from companion.pages import finish

FONT_AWESOME = (
    '(()=>{var i={"arrow-up":[384,512,[8593],"f062","M2"],bath:[4,5,["bathtub"],"f2cd",["M1","M2"]],x:[1,2]}})()'
)


def book(folder, page):
    (folder / "_static" / "scripts").mkdir(parents=True)
    (folder / "_static" / "mathjax").mkdir()
    (folder / "_images").mkdir()
    (folder / "api").mkdir()
    (folder / "_static" / "scripts" / "fontawesome.js").write_text(FONT_AWESOME)
    (folder / "_static" / "scripts" / "theme.js.map").write_text("{}")
    for name in ("tex-chtml.js", "tex-svg.js"):
        (folder / "_static" / "mathjax" / name).write_text("")
    (folder / "index.html").write_text(page)
    (folder / "api" / "x.html").write_text('<i class="fa-solid fa-bathtub"></i>')


def test_icons_stay_if_a_page_or_a_script_names_them(tmp_path):
    book(tmp_path, "<p>No icon.</p>")
    finish.finish_pages(tmp_path)
    script = tmp_path / "_static" / "scripts" / "fontawesome.js"
    assert script.read_text() == '(()=>{var i={bath:[4,5,["bathtub"],"f2cd",["M1","M2"]],x:[1,2]}})()'
    assert not list(tmp_path.rglob("*.map"))
    assert [path.name for path in tmp_path.rglob("tex-*.js")] == ["tex-chtml.js"]


def test_pictures_keep_every_pixel_as_webp(tmp_path):
    book(tmp_path, '<img src="_images/lines.png"> <a href="other_images.png">')
    lines = Image.new("RGBA", (300, 200), "white")
    generator = random.Random(0)
    for _ in range(300):
        lines.putpixel((generator.randrange(300), generator.randrange(200)), (0, 114, 178, 200))
    lines.save(tmp_path / "_images" / "lines.png")
    finish.finish_pages(tmp_path)
    assert (tmp_path / "index.html").read_text() == '<img src="_images/lines.webp"> <a href="other_images.png">'
    assert {path.name for path in (tmp_path / "_images").iterdir()} == {"lines.webp"}
    with Image.open(tmp_path / "_images" / "lines.webp") as image:
        assert image.convert("RGBA").tobytes() == lines.tobytes()
