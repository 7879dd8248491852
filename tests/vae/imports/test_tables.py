"""Tables of what is known of pictures: separators, encodings, keys, kinds and what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from vae import DatasetError
from vae.imports.source import natural
from vae.imports.tables import join_table, parse_table, type_column

NAMES = ["img/000.png", "img/001.png", "img/002.png", "other/003.jpg"]


def columns(text: str | bytes, names=NAMES):
    content = text if isinstance(text, bytes) else text.encode()
    found, notices = join_table(parse_table(content, "table.csv"), names)
    return {column.name: column for column in found}, " ".join(notices)


ROWS = [("000.png", "1", "2.5"), ("001.png", "0", "3"), ("002.png", "", "4"), ("003.jpg", "1", "")]


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
@pytest.mark.parametrize("key", ["file", "FileName", "file_name", "image", "image_id", "path"])
def test_every_separator_encoding_and_key_gives_the_same(separator, encoding, key):
    rows = [(key, "größe", "age"), *((n, a or "NA", b or "-") for n, a, b in ROWS)]
    found, notices = columns("\n".join(map(separator.join, rows)).encode(encoding))
    assert found["größe"].kind == "yes/no" and found["age"].kind == "number"
    np.testing.assert_array_equal(found["größe"].values, np.float32([1, 0, np.nan, 1]))
    np.testing.assert_array_equal(found["age"].values, np.float32([2.5, 3, 4, np.nan]))
    assert not notices


@pytest.mark.parametrize(
    "form",
    ["{s}.{e}", "{f}/{s}.{e}", "{s}", "a/b/{f}/{s}.{e}", "./{s}.{e}", "{f}\\{s}.{e}", "{s}.jpg"],
)
def test_names_are_matched_with_or_without_folder_and_ending(form):
    split = [n.replace(".", "/").split("/") for n in NAMES]
    cells = [form.format(f=f, s=s, e=e) for f, s, e in split]
    found, _ = columns("file,a\n" + "\n".join(f"{c},{i}" for i, c in enumerate(cells)))
    assert found["a"].values.tolist() == [0, 1, 2, 3]


def test_a_name_that_several_pictures_have_is_not_guessed():
    found, notices = columns("file,a\n1.png,5\nx/1.png,6\ny/1.png,7\n", ["x/1.png", "y/1.png"])
    assert found["a"].values.tolist() == [6, 7] and "1 of 3 rows name no picture" in notices
    found, _ = columns("file,a\nz/0.png,5\n0.png,4\n", ["a/0.png"])
    assert found["a"].values.tolist() == [4]  # another folder's picture of the same name


def test_celebas_own_format_is_read():
    text = "3\nBald Smiling \n000.png  1 -1\n001.png -1 -1\n002.png -1  1\n"
    found, _ = columns(text, NAMES[:3])
    assert {c.kind for c in found.values()} == {"yes/no"}
    assert found["Smiling"].values.tolist() == [0, 0, 1] and found["Bald"].values[0] == 1


def test_an_index_column_and_decimal_commas_of_spreadsheets():
    found, _ = columns(",file,age\n0,000.png,5\n1,001.png,6\n")
    assert list(found) == ["age"]
    found, _ = columns("file;age\n000.png;5,5\n001.png;6\n")
    assert found["age"].values[:2].tolist() == [5.5, 6]


@pytest.mark.parametrize(
    ("cells", "kind", "categories"),
    [
        (["0", "1", "1"], "yes/no", ()),
        (["-1", "1", ""], "yes/no", ()),
        (["True", "false", "NaN"], "yes/no", ()),
        (["yes", "No", "no"], "yes/no", ()),
        (["1", "1", "1"], "yes/no", ()),
        (["0", "1", "2"], "number", ()),
        (["1e3", "-0.5", "null"], "number", ()),
        (["red", "blue", "red"], "category", ("blue", "red")),
        (["10", "9", "x"], "category", ("9", "10", "x")),
        (["0", "1", "maybe"], "category", ("0", "1", "maybe")),
        (["inf", "1", "2"], "category", ("1", "2", "inf")),
    ],
)
def test_columns_are_typed(cells, kind, categories):
    column, _ = type_column("x", cells)
    assert (column.kind, column.categories) == (kind, categories)
    missing = [cell.lower() in ("", "nan", "null") for cell in cells]
    assert column.missing.tolist() == missing


def test_numbers_of_classes_are_categories_and_free_text_is_left_out():
    column, _ = type_column("label", ["0", "10", "2"])
    assert column.categories == ("0", "2", "10")
    column, why = type_column("caption", [f"text {i}" for i in range(200)])
    assert column is None and "200 different values" in why
    assert type_column("none", ["", "NA"])[0] is None


def test_rows_and_pictures_without_the_other_are_counted_not_fatal():
    _, notices = columns("file,a\n000.png,1\nnobody.png,0\n000.png,0\n")
    assert "1 of 3 rows name no picture, such as 'nobody.png'" in notices
    assert "no row for 3 of 4 pictures, such as img/001.png" in notices
    assert "1 rows repeat a picture" in notices
    _, notices = columns("file,a\n000.png,1\n001.png,1,5\n")
    assert "1 of 2 rows have not 2 cells" in notices and "row 3" in notices


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"file,a\nx.png,1\n", b"a,b\n1,2\n", b"\x00\xff" * 9]
)
def test_what_names_no_picture_is_refused_in_a_sentence(content):
    with pytest.raises(DatasetError):
        columns(content)


def test_names_that_are_no_identifiers_and_repeated_ones_stay_apart():
    found, _ = columns("file,5_o_Clock_Shadow,C++,!!!,C++\n000.png,1,2,3,4\n001.png,0,3,4,5\n")
    assert list(found) == ["5_o_Clock_Shadow", "C++", "!!!", "C++ (2)"]


def test_sorting_is_natural():
    names = ["10", "9", "a2", "A10", "a", "ä"]
    assert sorted(names, key=natural) == ["9", "10", "a", "a2", "A10", "ä"]


def test_categories_of_thousands_of_digits_are_sorted_as_others_are():
    cells = ["a" + "9" * 5_000, "a10", "a2"]
    column, _ = type_column("kind", cells * 2)
    assert column.categories == ("a2", "a10", cells[0])
