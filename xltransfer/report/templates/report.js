"use strict";
// Draw the charts, sort the tables, and make the map and closed sections usable by pointer and keyboard.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  function element(name, text, within) {
    const made = document.createElement(name);
    made.textContent = text;
    within?.append(made);
    return made;
  }

  // Tables: a button in each heading sorts, numbers from the largest on at first.
  function sortable(table) {
    const headings = all("thead th", table);
    headings.forEach((heading, column) => {
      const button = element("button", heading.textContent);
      button.type = "button";
      heading.replaceChildren(button);
      button.addEventListener("click", () => {
        const numbers = all("tbody tr", table).every((row) => Number.isFinite(Number(row.cells[column].dataset.key)));
        const first = numbers ? "descending" : "ascending";
        const now = heading.getAttribute("aria-sort");
        const sort = now ? (now === "ascending" ? "descending" : "ascending") : first;
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", sort);
        order(table, column, numbers, sort === "ascending" ? 1 : -1);
      });
    });
  }

  function order(table, column, numbers, sign) {
    const key = (row) => row.cells[column].dataset.key;
    const compare = numbers ? (a, b) => key(a) - key(b) : (a, b) => key(a).localeCompare(key(b));
    table.tBodies[0].append(...all("tbody tr", table).sort((a, b) => sign * compare(a, b)));
  }

  // Draw a chart. Expressions are interpreted (ast), since the page's policy allows no code made from text.
  async function draw(figure) {
    const drawing = figure.querySelector(".drawing"), spec = JSON.parse(figure.querySelector(".spec").textContent);
    const style = JSON.parse(document.getElementById("chart-style").textContent);
    const options = { mode: "vega-lite", renderer: "svg", ast: true, actions: false, tooltip: false, defaultStyle: false, config: style };
    const inside = element("div", "", drawing); // Vega sets the role and label of what it draws into
    inside.setAttribute("aria-hidden", "true");
    const { view } = await vegaEmbed(inside, spec, options);
    (figure.classList.contains("map") ? map : chart)(figure, drawing, view, spec.data.values);
  }

  // Let pointer and keyboard choose a value of a drawing; show it in a box that a screen reader reads out.
  function reader(drawing, view, { nearest, moves, describe }) {
    const box = element("div", "", drawing.parentElement), root = drawing.querySelector(".root");
    box.className = "tip";
    box.setAttribute("role", "status");
    drawing.tabIndex = 0;

    function show(chosen) {
      view.data("chosen", chosen).run();
      box.replaceChildren(...(chosen.length ? describe(chosen[0]) : []));
      if (!chosen.length) return;
      const [{ x, y }] = chosen, around = drawing.parentElement.getBoundingClientRect();
      const up = y === undefined ? view.height() / 3 : view.scale("y")(y);
      const at = new DOMPoint(view.scale("x")(x), up).matrixTransform(root.getScreenCTM());
      const left = at.x - around.left - box.offsetWidth / 2, above = at.y - around.top - box.offsetHeight - 14;
      box.style.left = `${Math.max(0, Math.min(around.width - box.offsetWidth, left))}px`;
      box.style.top = `${above > 0 && at.y > box.offsetHeight + 14 ? above : at.y - around.top + 14}px`;
    }

    const hide = () => show([]);
    const point = (event) => show(nearest(new DOMPoint(event.clientX, event.clientY).matrixTransform(root.getScreenCTM().inverse())));
    for (const kind of ["pointermove", "pointerdown"]) drawing.addEventListener(kind, point);
    for (const kind of ["pointerleave", "blur"]) drawing.addEventListener(kind, hide);
    drawing.addEventListener("focus", () => drawing.matches(":focus-visible") && show(moves.Focus()));
    drawing.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
      const move = moves[event.key];
      if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      show(move());
    });
    return hide;
  }

  // Line charts: the values at a step, from the table below.
  function chart(figure, drawing, view, points) {
    const xs = [...new Set(points.map((point) => point.x))], rows = all("tbody tr", figure);
    const names = all("thead th", figure).map((heading) => heading.textContent);
    let at = xs.length - 1;
    const go = (index) => [{ x: xs[(at = Math.max(0, Math.min(xs.length - 1, index)))] }];
    reader(drawing, view, {
      nearest: ({ x }) => go(closest(xs, (value) => Math.abs(view.scale("x")(value) - x))),
      describe: ({ x }) => [...rows[xs.indexOf(x)].cells].map((cell, column) => element("div", `${names[column]} ${cell.textContent}`)),
      moves: { ArrowLeft: () => go(at - 1), ArrowRight: () => go(at + 1), Home: () => go(0), End: () => go(xs.length - 1), Focus: () => go(at) },
    });
  }

  function closest(list, distance) {
    const distances = list.map(distance);
    return distances.indexOf(Math.min(...distances));
  }

  // The map: sentences by pointer and keyboard, and the other layers, stages and sets by the form.
  function map(figure, drawing, view) {
    const form = figure.querySelector("form"), data = JSON.parse(figure.querySelector(".points").textContent);
    const rows = { source: all("tr[data-part=source]", figure), target: all("tr[data-part=target]", figure) };
    const partners = { source: "source, transformed", "source, transformed": "source" };
    const value = (part) => all("input:checked", form).find((input) => input.name.endsWith(`-${part}`)).value;
    let shown = [], at;

    function update() {
      const layer = value("layer"), stage = value("stage"), found = data[stage]?.[layer] ?? {};
      const sets = all("input[type=checkbox]:checked", form).map((input) => input.value).filter((set) => found[set]);
      shown = sets.flatMap((set) => found[set].map(([x, y], index) => ({ x, y, set, index })));
      at = 0;
      hide();
      view.data("points", shown).run();
      all(".layer-shown", figure).forEach((span) => (span.textContent = layer));
      all(".stage-shown", figure).forEach((span) => (span.textContent = stage));
      for (const [part, list] of Object.entries(rows)) {
        list.forEach((row, index) => {
          row.querySelector(".point").textContent = found[part]?.[index]?.join(", ") ?? "";
          const moved = part === "source" && row.querySelector(".moved");
          if (moved) moved.textContent = found[partners.source]?.[index]?.join(", ") ?? "";
        });
      }
    }

    // A mark, and that of the same sentence before or after the RTN.
    function pair(place) {
      if (!(place in shown)) return [];
      const one = shown[(at = place)];
      return [one, ...shown.filter((other) => other.set === partners[one.set] && other.index === one.index)];
    }

    function nearest({ x, y }) {
      const away = (one) => Math.hypot(view.scale("x")(one.x) - x, view.scale("y")(one.y) - y);
      const place = closest(shown, away);
      return pair(place in shown && away(shown[place]) < 14 ? place : -1);
    }

    // Go through the sentences of a set, or to another set.
    function step(sentences, sets) {
      const names = [...new Set(shown.map(({ set }) => set))];
      if (!names.length) return [];
      const turn = (place, count) => (place + count) % count;
      const set = names[turn(names.indexOf(shown[at].set) + sets, names.length)];
      const own = shown.filter((one) => one.set === set);
      return pair(shown.indexOf(own[turn(Math.min(shown[at].index, own.length - 1) + sentences, own.length)]));
    }

    const describe = ({ set, index }) => {
      const text = element("div", rows[set === "target" ? "target" : "source"][index].querySelector(".text").textContent);
      text.dir = "auto";
      return [element("b", `${set}, sentence ${index + 1}`), text];
    };
    const moves = { ArrowLeft: () => step(-1, 0), ArrowRight: () => step(1, 0), ArrowUp: () => step(0, -1), ArrowDown: () => step(0, 1), Focus: () => step(0, 0) };
    const hide = reader(drawing, view, { nearest, describe, moves });
    drawing.setAttribute("role", "application");
    drawing.setAttribute("aria-roledescription", "map");
    drawing.setAttribute("aria-label", "Map of sentence vectors. Left and right arrows go through the sentences, up and down through the sets.");
    form.addEventListener("change", update);
    form.addEventListener("submit", (event) => event.preventDefault());
    update();
  }

  // Draw one chart after the other, from the top of the page, which can be used in between.
  async function drawAll() {
    for (const figure of all("figure:has(> .drawing)")) {
      await draw(figure);
      await new Promise((done) => setTimeout(done));
    }
  }

  // What scrolls can be reached by the keyboard.
  function reachable() {
    for (const box of all(".scroll")) {
      if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  }

  // A link into a closed run opens it.
  function follow() {
    const aim = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const closed = aim && aim.closest("details:not([open])");
    if (!closed) return;
    closed.open = true;
    aim.scrollIntoView();
  }

  document.documentElement.classList.add("js");
  all("table.sortable").forEach(sortable);
  drawAll();
  reachable();
  follow();
  addEventListener("resize", reachable);
  addEventListener("hashchange", follow);
  all("details").forEach((box) => box.addEventListener("toggle", reachable));
  addEventListener("beforeprint", () => all("details.run").forEach((box) => (box.open = true)));
})();
