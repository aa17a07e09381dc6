from qarank.report.page_table import Cell, Column, build_table

COLUMNS = [Column("group", is_number=False), Column("EM"), Column("published")]


def test_texts_become_cells_and_cells_stay_what_they_are() -> None:
    link = Cell("lora", href="lora/")
    table = build_table("c", COLUMNS, [[link, "1.00", "2.00"]])
    assert table.rows == [[link, Cell("1.00"), Cell("2.00")]]
    assert table.columns == COLUMNS


def test_a_column_in_which_every_cell_is_empty_is_left_out() -> None:
    table = build_table("c", COLUMNS, [["lora", "", ""], ["ada", "1.00", ""]])
    assert [column.name for column in table.columns] == ["group", "EM"]
    assert [[cell.text for cell in row] for row in table.rows] == [["lora", ""], ["ada", "1.00"]]


def test_without_rows_there_is_nothing() -> None:
    assert build_table("c", COLUMNS, []).rows == []
