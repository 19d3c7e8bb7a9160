"use strict";
// The table can be filtered and sorted, and the filter is part of the address. Without this the page shows it all.
(() => {
  const table = document.querySelector("table.runs");
  const bodies = [...table.tBodies];
  const controls = document.querySelector(".controls");
  const filter = document.getElementById("filter");
  const ending = document.getElementById("ending");
  const shown = document.getElementById("shown");
  const unfold = document.getElementById("unfold");
  const texts = new Map();

  const textOf = (body) => {
    if (!texts.has(body)) texts.set(body, body.textContent.toLowerCase());
    return texts.get(body);
  };

  const apply = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const body of bodies) {
      const fits = (!ending.value || body.dataset.ending === ending.value)
        && words.every((word) => textOf(body).includes(word));
      body.hidden = !fits;
      count += fits;
    }
    const [some, all] = [count, bodies.length].map((number) => number.toLocaleString("en"));
    shown.textContent = some === all ? `${all} nodes` : `${some} of ${all} nodes`;
  };

  const remember = () => {
    const kept = new URLSearchParams();
    if (filter.value) kept.set("filter", filter.value);
    if (ending.value) kept.set("ending", ending.value);
    history.replaceState(null, "", `#${kept}`);
  };

  const recall = () => {
    const kept = new URLSearchParams(location.hash.slice(1));
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && bodies.includes(target)) {
      filter.value = ending.value = "";
      target.querySelector("details").open = true;
    } else if (kept.has("filter") || kept.has("ending")) {
      filter.value = kept.get("filter") ?? "";
      ending.value = kept.get("ending") ?? "";
    }
    apply();
    if (target) target.scrollIntoView({ block: "nearest" });
  };

  const valueOf = (body, column) => {
    const cell = body.rows[0].cells[column];
    return cell.dataset.sort ?? cell.textContent;
  };

  const sortBy = (column, head) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const compare = new Intl.Collator("en", { numeric: true }).compare;
    const numbers = head.classList.contains("num");
    const sorted = [...bodies].sort((left, right) => {
      const [a, b] = [valueOf(left, column), valueOf(right, column)];
      if (numbers && (a === "" || b === "")) return (a === "") - (b === "");
      return (numbers ? a - b : compare(a, b)) * (down ? -1 : 1);
    });
    table.append(...sorted);
  };

  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(column, head));
    head.append(button);
  }
  for (const field of [filter, ending]) {
    field.addEventListener("input", () => { apply(); remember(); });
  }
  unfold.addEventListener("click", () => {
    const open = unfold.getAttribute("aria-pressed") !== "true";
    unfold.setAttribute("aria-pressed", String(open));
    for (const body of bodies) body.querySelector("details").open = open;
  });
  controls.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", recall);
  controls.hidden = false;
  recall();
})();
