"use strict";
// Adds to a page that is complete without it: sorting, values under the pointer, and the other states of the map.
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

  // A box beside a place of a drawing; it is read out when the keyboard moves it.
  function tooltip(figure, svg) {
    const box = element("div", "", figure);
    box.className = "tip";
    box.setAttribute("role", "status");
    const hide = () => box.replaceChildren();
    const show = (x, y, parts) => {
      box.replaceChildren(...parts);
      const drawn = svg.getBoundingClientRect(), around = figure.getBoundingClientRect();
      const scale = drawn.width / svg.viewBox.baseVal.width;
      const left = drawn.left - around.left + x * scale, top = drawn.top - around.top + y * scale;
      const room = around.width - box.offsetWidth;
      box.style.left = `${Math.max(0, Math.min(room, left - box.offsetWidth / 2))}px`;
      const above = top - box.offsetHeight - 14;
      box.style.top = `${drawn.top + above > 0 && above > 0 ? above : top + 14}px`;
    };
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    return { show, hide };
  }

  // Where a pointer is, in the units of the drawing.
  function place(svg, event) {
    const drawn = svg.getBoundingClientRect(), box = svg.viewBox.baseVal;
    return [((event.clientX - drawn.left) / drawn.width) * box.width, ((event.clientY - drawn.top) / drawn.height) * box.height];
  }

  function keyboard(svg, moves, hide) {
    svg.tabIndex = 0;
    svg.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
      const move = moves[event.key];
      if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      move();
    });
  }

  // Line charts: the values at a step, from the table below.
  function chart(figure) {
    const svg = figure.querySelector(":scope > svg"), cursor = svg.querySelector(".cursor");
    const xs = JSON.parse(svg.dataset.x), rows = all("tbody tr", figure);
    const names = all("thead th", figure).map((heading) => heading.textContent);
    const tip = tooltip(figure, svg);
    let at = xs.length - 1;
    const show = (index) => {
      at = Math.max(0, Math.min(xs.length - 1, index));
      cursor.setAttribute("d", `M${xs[at]} 10V184`);
      tip.show(xs[at], 60, [...rows[at].cells].map((cell, column) => element("div", `${names[column]} ${cell.textContent}`)));
    };
    const hide = () => {
      cursor.setAttribute("d", "");
      tip.hide();
    };
    const nearest = (x) => xs.reduce((best, value, index) => (Math.abs(value - x) < Math.abs(xs[best] - x) ? index : best), 0);
    svg.addEventListener("pointermove", (event) => show(nearest(place(svg, event)[0])));
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.addEventListener("focus", () => svg.matches(":focus-visible") && show(at));
    const moves = { ArrowLeft: () => show(at - 1), ArrowRight: () => show(at + 1), Home: () => show(0), End: () => show(xs.length - 1) };
    keyboard(svg, moves, hide);
  }

  // The map.
  function map(figure) {
    const svg = figure.querySelector(".plane"), form = figure.querySelector("form");
    const data = JSON.parse(figure.querySelector("script").textContent);
    const groups = all("g[data-set]", svg).map((group) => ({ name: group.dataset.set, group, marks: all("use", group) }));
    const rows = { source: all("tr[data-part=source]", figure), target: all("tr[data-part=target]", figure) };
    const ring = svg.querySelector(".ring"), partner = svg.querySelector(".partner");
    const tip = tooltip(figure, svg);
    let places = {}, chosen = { set: groups[0].name, index: 0 }, frame = 0;

    const rowOf = (set, index) => rows[set === "target" ? "target" : "source"][index];
    const shown = () => groups.filter(({ name }) => form.elements[name].checked && places[name]);
    const value = (part) => all("input[type=radio]:checked", form).find((input) => input.name.endsWith(`-${part}`)).value;

    function hide() {
      tip.hide();
      ring.setAttribute("visibility", "hidden");
      partner.setAttribute("d", "");
    }

    function show(set, index) {
      chosen = { set, index };
      const [x, y] = places[set][index];
      ring.setAttribute("cx", x);
      ring.setAttribute("cy", y);
      ring.setAttribute("visibility", "visible");
      const other = { source: "transformed", transformed: "source" }[set];
      const [to] = [places[other]?.[index]];
      partner.setAttribute("d", to && form.elements[other].checked ? `M${x} ${y}L${to[0]} ${to[1]}` : "");
      const name = set === "transformed" ? "source, transformed" : set;
      const text = element("div", rowOf(set, index).querySelector(".text").textContent);
      text.dir = "auto";
      tip.show(x, y, [element("b", `${name}, sentence ${index + 1}`), text]);
    }

    // Marks go to where the state has them, in a moment or at once.
    function draw() {
      const layer = value("layer"), stage = value("stage"), found = data.points[stage]?.[layer] ?? {};
      const old = places;
      places = {};
      for (const { name } of groups) {
        const points = found[name];
        if (points) places[name] = points.map(([x, y]) => [data.origin[0] + data.scale * x, data.origin[1] - data.scale * y]);
      }
      hide();
      all(".layer-shown", figure).forEach((span) => (span.textContent = layer));
      all(".stage-shown", figure).forEach((span) => (span.textContent = stage));
      fill(found);
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches || !Object.keys(old).length;
      const start = performance.now();
      const step = (now) => {
        const t = still ? 1 : Math.min(1, Math.max(0, (now - start) / 350)), share = t * t * (3 - 2 * t);
        for (const { name, group, marks } of groups) {
          group.style.display = places[name] && form.elements[name].checked ? "" : "none";
          if (places[name]) marks.forEach((mark, index) => put(mark, places[name][index], old[name]?.[index], share));
        }
        if (t < 1) frame = requestAnimationFrame(step);
      };
      cancelAnimationFrame(frame);
      step(start);
    }

    function put(mark, to, from = to, share = 1) {
      mark.setAttribute("x", (from[0] + share * (to[0] - from[0])).toFixed(1));
      mark.setAttribute("y", (from[1] + share * (to[1] - from[1])).toFixed(1));
      mark.removeAttribute("visibility");
    }

    function fill(found) {
      for (const [part, list] of Object.entries(rows)) {
        list.forEach((row, index) => {
          row.querySelector(".point").textContent = found[part]?.[index]?.join(", ") ?? "";
          const moved = row.querySelector(".moved");
          if (moved && part === "source") moved.textContent = found.transformed?.[index]?.join(", ") ?? "";
        });
      }
    }

    function under(event) {
      const [x, y] = place(svg, event);
      let best = null, least = 14 ** 2;
      for (const { name } of shown()) {
        places[name].forEach(([px, py], index) => {
          const distance = (px - x) ** 2 + (py - y) ** 2;
          if (distance < least) [best, least] = [[name, index], distance];
        });
      }
      best ? show(...best) : hide();
    }

    // Left and right: the sentences of a set; up and down: the sets.
    function sentence(change) {
      const names = shown().map(({ name }) => name);
      if (!names.length) return;
      const set = names.includes(chosen.set) ? chosen.set : names[0], count = places[set].length;
      show(set, (chosen.index + change + count) % count);
    }

    function among(change) {
      const names = shown().map(({ name }) => name);
      if (!names.length) return;
      const set = names[(names.indexOf(chosen.set) + change + names.length) % names.length];
      show(set, Math.min(chosen.index, places[set].length - 1));
    }

    svg.setAttribute("role", "application");
    svg.setAttribute("aria-roledescription", "map");
    svg.setAttribute("aria-label", "Map of sentence vectors. Left and right arrows go through the sentences, up and down through the sets.");
    for (const kind of ["pointermove", "pointerdown"]) svg.addEventListener(kind, under);
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.addEventListener("focus", () => svg.matches(":focus-visible") && sentence(0));
    const moves = { ArrowLeft: () => sentence(-1), ArrowRight: () => sentence(1), ArrowUp: () => among(-1), ArrowDown: () => among(1) };
    keyboard(svg, moves, hide);
    form.addEventListener("change", draw);
    form.addEventListener("submit", (event) => event.preventDefault());
    draw();
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
  all("figure.chart").forEach(chart);
  all("figure.map").forEach(map);
  reachable();
  follow();
  addEventListener("resize", reachable);
  addEventListener("hashchange", follow);
  all("details").forEach((box) => box.addEventListener("toggle", reachable));
  addEventListener("beforeprint", () => all("details.run").forEach((box) => (box.open = true)));
})();
