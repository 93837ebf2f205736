//! Text for a terminal: columns.

/// Rows as aligned columns under their names; nothing is cut off.
pub(super) fn table<const N: usize>(names: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = names.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; N]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let header = line(&names.map(str::to_owned));
    std::iter::once(header).chain(rows.iter().map(line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let rows = [["1".to_owned(), "a longer one".to_owned()], ["22".to_owned(), String::new()]];
        assert_eq!(table(["ID", "NAME"], &rows), "ID  NAME\n1   a longer one\n22");
    }
}
