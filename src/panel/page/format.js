// Numbers and elements as the page shows them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Bytes with a unit. */
export function bytes(value) {
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** A number with separators. */
export function count(value) {
  return Math.round(value).toLocaleString("en");
}

/** Milliseconds with as many digits as say something. */
export function milliseconds(value) {
  if (value >= 1000) {
    return `${(value / 1000).toFixed(value < 10000 ? 1 : 0)} s`;
  }
  return `${value >= 100 ? Math.round(value) : value.toFixed(value < 10 ? 2 : 1)} ms`;
}

/** A span of seconds in its two largest units. */
export function span(seconds) {
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = parts.findIndex(([, size]) => seconds >= size);
  if (first < 0) {
    return "0 s";
  }
  const words = [];
  for (const [unit, size] of parts.slice(first, first + 2)) {
    const value = Math.floor(seconds / size);
    seconds -= value * size;
    if (value) {
      words.push(`${value} ${unit}`);
    }
  }
  return words.join(" ");
}

/** The element of an id. */
export function at(id) {
  return document.getElementById(id);
}

/** A new element with a class and children; texts are never read as HTML. */
export function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) {
    element.className = name;
  }
  element.append(...children);
  return element;
}

/** A bar that is filled to a share. */
export function meter(share, name = "") {
  const fill = make("i");
  fill.style.width = `${Math.max(0, Math.min(1, share || 0)) * 100}%`;
  return make("span", `meter ${name}`, fill);
}

/** Sets the rows of a table with bars: name, value, text. */
export function rows(table, list, whole) {
  const most = whole || Math.max(1, ...list.map((row) => row.value));
  table.tBodies[0].replaceChildren(
    ...list.map((row) =>
      make(
        "tr",
        "",
        make("td", "", row.name),
        make("td", "", meter(row.value / most, row.kind)),
        make("td", "", row.text ?? count(row.value)),
      ),
    ),
  );
}
