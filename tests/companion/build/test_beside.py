"""Files beside executed notebooks: where they lie, and which one belongs to a notebook."""

from companion.build.beside import FileBeside, text_digest

TABLE = FileBeside(".table.csv", "table")


def test_a_file_lies_beside_its_notebook_and_an_empty_one_does_not_exist(tmp_path):
    path = tmp_path / "c1.ipynb"
    assert TABLE.read(path) == ""
    TABLE.write(path, "x\nä\n")
    assert (tmp_path / "c1.table.csv").read_text("utf8") == TABLE.read(path) == "x\nä\n"
    TABLE.write(path, "")
    TABLE.write(path, "")
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_an_execution_has_the_digest_that_stands_in_the_notebook(tmp_path):
    path = tmp_path / "c1.ipynb"
    with_file = {"metadata": {"l2h": {"table": text_digest("x\n1\n")}}}
    for without_file in ({"metadata": {}}, {"metadata": {"l2h": {"profile": "quick"}}}):
        assert TABLE.belongs_to(without_file, path) and not TABLE.belongs_to(with_file, path)
    TABLE.write(path, "x\n1\n")
    assert TABLE.belongs_to(with_file, path) and not TABLE.belongs_to(without_file, path)
    TABLE.write(path, "x\n2\n")
    assert not TABLE.belongs_to(with_file, path)
