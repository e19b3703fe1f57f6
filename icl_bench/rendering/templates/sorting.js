// Tables that are sorted by a click, or Enter, on the head of a column; what has no number stays last.

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells].filter((cell) => cell.colSpan === 1);
  const columns = table.tHead.rows.length > 1 ? [heads[0], ...table.tHead.rows[1].cells] : heads;
  const rows = [...table.tBodies[0].rows];
  columns.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of columns) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      table.tBodies[0].append(...sorted(rows, column, down));
    });
  });
}

function sorted(rows, column, down) {
  const sign = down ? -1 : 1;
  const key = (row) => row.cells[column].dataset.v;
  const text = (row) => row.cells[column].textContent;
  const numeric = rows.some((row) => key(row));
  return [...rows].sort((one, other) => {
    if (!numeric) return sign * text(one).localeCompare(text(other), undefined, { numeric: true });
    if (!key(one) || !key(other)) return (key(one) ? 0 : 1) - (key(other) ? 0 : 1);
    return sign * (Number(key(one)) - Number(key(other)));
  });
}
