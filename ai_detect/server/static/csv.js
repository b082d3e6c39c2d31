// The beginning of a CSV file, however long it is.

/** Return the first rows of a streamed CSV answer, and read no more of it than that needs. */
export async function firstRows(response, n) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let rows = [];
  for (;;) {
    const { done, value } = await reader.read();
    text += value ?? "";
    rows = parsed(text, { isWhole: done });
    if (done || rows.length > n) break;
  }
  await reader.cancel();
  return rows.slice(0, n);
}

/** Return the rows of CSV text; a last row without its line end counts only if the text is whole. */
export function parsed(text, { isWhole = true } = {}) {
  const rows = [];
  let row = [];
  // A field is quoted, with quotes inside doubled, or plain; what ends it says whether the row goes on.
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  while (field.lastIndex < text.length) {
    const match = field.exec(text);
    if (!match || (match[3] === "" && !isWhole)) break;
    row.push(match[1] === undefined ? match[2] : match[1].replaceAll('""', '"'));
    if (match[3] === ",") {
      if (field.lastIndex === text.length && isWhole) row.push("");
      continue;
    }
    rows.push(row);
    row = [];
  }
  if (row.length && isWhole) rows.push(row);
  return rows;
}
