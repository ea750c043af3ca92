/* The page: the table that sorts and filters, the plots, and the sliders that compute anew with model.js. */
"use strict";
(() => {
  const MODELS = JSON.parse(document.getElementById("models").textContent);
  const STEPS = 96;
  const LOWEST_RATE = 10;
  const DRAWN_RATE = 1e6;
  const SLIDER = 1000;
  const POWERS_OF_TEN = [1e1, 1e2, 1e3, 1e4, 1e5, 1e6];

  // --- words: checker/units.py format_bytes(), format_count(), format_rate() ---
  const formatBytes = (count) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let value = Math.abs(count), unit = 0;
    while (value >= 999.5 && unit < units.length - 1) { value /= 1024; unit += 1; }
    const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    return `${count < 0 ? "-" : ""}${value.toFixed(digits)} ${units[unit]}`;
  };
  const formatCount = (count) => Math.floor(count).toLocaleString("en-US");
  const formatRate = (rate) => (rate > 1e6 ? "over 1,000,000" : formatCount(rate));

  // --- the table ---
  const fleet = document.getElementById("fleet");
  if (fleet) {
    const body = fleet.tBodies[0];
    const rows = [...body.rows];
    const heads = [...fleet.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") === "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const value = (row) => row.cells[column].dataset.value;
      const words = head.dataset.kind === "words";
      const compare = words ? (a, b) => value(a).localeCompare(value(b)) : (a, b) => Number(value(a)) - Number(value(b));
      rows.sort((a, b) => (rising ? compare(a, b) : compare(b, a)));
      body.append(...rows);
    }));
    const text = document.getElementById("filter");
    const boxes = [...document.querySelectorAll("input[name=grade]")];
    const sections = new Map([...document.querySelectorAll("section.server")].map((each) => [each.dataset.number, each]));
    const filter = () => {
      const wanted = text.value.toLowerCase();
      const grades = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
      let shown = 0;
      for (const row of rows) {
        const fits = grades.has(row.dataset.grade) && row.textContent.toLowerCase().includes(wanted);
        row.hidden = !fits;
        sections.get(row.dataset.number).hidden = !fits;
        shown += fits ? 1 : 0;
      }
      document.getElementById("shown").textContent = `${shown} of ${rows.length} shown`;
    };
    text.addEventListener("input", filter);
    boxes.forEach((box) => box.addEventListener("change", filter));
    document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
  }

  // --- plots ---
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const faded = (hex, alpha) => hex + Math.round(alpha * 255).toString(16).padStart(2, "0");
  const unitOf = (largest) => (largest >= 2 ** 30 ? [2 ** 30, "GiB"] : [2 ** 20, "MiB"]);
  const axis = (label, extra) => ({
    label, stroke: () => colour("faint"), labelSize: 20, labelGap: 0, size: 34, font: "12px system-ui, sans-serif",
    labelFont: "12px system-ui, sans-serif", grid: { stroke: () => faded(colour("faint"), 0.2), width: 1 },
    ticks: { stroke: () => colour("faint"), width: 1 }, ...extra,
  });
  const mark = (u, x, y, name, cross) => {
    const left = u.valToPos(x, "x", true), top = u.valToPos(y, "y", true), size = 6 * devicePixelRatio;
    const pen = u.ctx;
    pen.save();
    pen.lineWidth = 3 * devicePixelRatio;
    pen.strokeStyle = pen.fillStyle = colour(name);
    pen.beginPath();
    if (cross) {
      pen.moveTo(left - size, top - size); pen.lineTo(left + size, top + size);
      pen.moveTo(left + size, top - size); pen.lineTo(left - size, top + size);
      pen.stroke();
    } else {
      pen.arc(left, top, size, 0, 2 * Math.PI);
      pen.fill();
    }
    pen.restore();
  };

  class WhatIf {
    constructor(place) {
      this.place = place;
      this.m = MODELS[Number(place.dataset.model)];
      place.append(document.getElementById("what-if").content.cloneNode(true));
      this.inputs = Object.fromEntries([...place.querySelectorAll("input")].map((each) => [each.dataset.name, each]));
      this.outcome = place.querySelector(".outcome");
      place.querySelector("[data-size]").textContent = this.m.fragmentation ? "maxmemory" : "data";
      const worst = bgsafe.worstPeak(this.m, this.m.rate);
      this.spans = {
        limit: [this.m.resident * 0.5, Math.max(worst * 1.25, (this.m.limit || 0) * 1.25)],
        resident: [this.m.resident * 0.1, this.m.resident * 3],
      };
      for (const input of Object.values(this.inputs)) input.addEventListener("input", () => this.moved(input));
      place.querySelector(".reset").addEventListener("click", () => this.reset());
      this.reset();
    }

    reset() {
      this.state = { rate: this.m.rate, limit: this.m.limit, resident: this.m.resident };
      const share = (name, value) => {
        const [low, high] = this.spans[name];
        return ((value - low) / (high - low)) * SLIDER;
      };
      this.inputs.rate.value = this.m.rate > 1 ? (Math.log10(this.m.rate) / 6) * SLIDER : 0;
      this.inputs.limit.value = this.m.limit === null ? SLIDER : share("limit", this.m.limit);
      this.inputs.resident.value = share("resident", this.m.resident);
      this.compute();
    }

    moved(input) {
      const name = input.dataset.name;
      const share = Number(input.value) / SLIDER;
      if (name === "rate") this.state.rate = share === 0 ? 0 : Math.round(10 ** (share * 6));
      else {
        const [low, high] = this.spans[name];
        this.state[name] = low + share * (high - low);
      }
      this.compute();
    }

    compute() {
      const { rate, limit, resident } = this.state;
      const m = resident === this.m.resident ? this.m : bgsafe.scaled(this.m, resident);
      const peak = bgsafe.peak(m, rate);
      const worst = bgsafe.worstPeak(m, rate);
      const budget = limit === null ? null : bgsafe.budget(m, limit);
      this.figures = { m, peak, worst, budget, course: bgsafe.course(m, rate, limit, STEPS) };
      const size = m.fragmentation ? resident / m.fragmentation : resident;
      const words = {
        rate: `${formatCount(rate)} writes/s`,
        limit: limit === null ? "no limit" : formatBytes(limit),
        resident: formatBytes(size),
      };
      for (const [name, input] of Object.entries(this.inputs)) {
        input.nextElementSibling.textContent = words[name];
        input.setAttribute("aria-valuetext", words[name]);
      }
      this.outcome.textContent = this.said();
      this.draw();
    }

    /** What a verdict would say of memory alone. */
    said() {
      const { peak, worst, budget, course } = this.figures;
      const { limit } = this.state;
      const numbers = `expected peak ${formatBytes(peak)}, worst case ${formatBytes(worst)}`;
      if (limit === null) return `No limit: ${numbers}`;
      if (peak > limit) {
        const when = course.killedAt === null ? "" : ` after ${course.killedAt.toFixed(1)} s`;
        return `Unsafe: killed${when}; ${numbers}; ` +
          (budget > 0 ? `it holds up to ${formatRate(budget)} writes/s` : "at no write rate does a save fit");
      }
      if (worst <= limit) return `Safe: even the worst case fits; ${numbers}`;
      return `Risky: ${budget === Infinity ? "any write rate is expected to fit"
        : `it holds up to ${formatRate(budget)} writes/s`}; ${numbers}`;
    }

    draw() {
      if (this.plots) this.plots.forEach((plot) => plot.destroy());
      const [memory, budgets] = this.place.querySelectorAll(".plot");
      this.plots = [this.drawMemory(memory), this.drawBudget(budgets)];
      this.place.querySelector("figcaption").textContent =
        `Memory during a save of ${this.figures.course.seconds.toFixed(1)} s. Band: where nine in ten recorded forks lie.`;
      memory.setAttribute("aria-label", `Memory during a save. ${this.outcome.textContent}`);
      budgets.setAttribute("aria-label", `Write rate that each limit holds. ${this.outcome.textContent}`);
    }

    drawMemory(place) {
      const { m, worst, course } = this.figures;
      const { limit } = this.state;
      const [unit, name] = unitOf(Math.max(worst, limit || 0));
      const margin = course.seconds * 0.06;
      const xs = [-margin, 0, ...course.times, course.seconds, course.seconds + margin];
      const ends = (values, outside) => [outside, outside, ...values, outside, outside].map((v) => (v === null ? null : v / unit));
      const flat = (value) => xs.map(() => (value === null ? null : value / unit));
      const show = (u, value) => (value === null || value === undefined ? "–" : formatBytes(value * unit));
      const { killedAt } = course;
      const top = Math.max(worst, limit || 0, ...course.high) / unit;
      return new uPlot({
        width: place.clientWidth || 600, height: 290, pxAlign: false, legend: { live: false },
        scales: { x: { time: false }, y: { range: [0, top * 1.08] } },
        axes: [axis("seconds since the fork"), axis(`memory, ${name}`, { size: 56 })],
        bands: [{ series: [4, 3], fill: () => faded(colour("expected"), 0.22) }],
        series: [
          { label: "seconds" },
          { label: `held before ${formatBytes(m.base)}`, fill: () => colour("resident"), stroke: () => colour("resident"), value: show, points: { show: false } },
          { label: `expected, peak ${formatBytes(Math.max(...course.expected))}`, stroke: () => colour("expected"), width: 2, value: show, points: { show: false } },
          { label: "low", stroke: "transparent", points: { show: false } },
          { label: "high", stroke: "transparent", points: { show: false } },
          { label: `worst case ${formatBytes(worst)}`, stroke: () => colour("worst"), width: 2, dash: [8, 5], value: show, points: { show: false } },
          { label: limit === null ? "no limit" : `limit ${formatBytes(limit)}`, stroke: () => colour("limit"), width: 2.5, value: show, points: { show: false } },
        ],
        hooks: {
          init: [(u) => u.root.querySelectorAll(".u-series").forEach((row, i) => { row.hidden = i === 2 || i === 3; })],
          draw: [(u) => { if (killedAt !== null) mark(u, killedAt, limit / unit, "killed", true); }],
        },
        cursor: { show: false },
      }, [xs, flat(m.base), ends(course.expected, m.base), ends(course.low, m.base), ends(course.high, m.base), flat(worst), flat(limit)], place);
    }

    drawBudget(place) {
      const { m, peak, worst } = this.figures;
      const { limit, rate } = this.state;
      const [unit, name] = unitOf(Math.max(worst, limit || 0));
      const peaks = bgsafe.peaks(m);
      const xs = [], ys = [];
      for (let step = 0; step <= STEPS; step++) {
        const each = LOWEST_RATE * (DRAWN_RATE / LOWEST_RATE) ** (step / STEPS);
        const needed = peaks(each) / unit;
        if (!xs.length || needed > xs[xs.length - 1]) { xs.push(needed); ys.push(each); }
      }
      const fits = limit !== null && peak <= limit;
      const left = (m.base * 0.98) / unit;
      const right = (Math.max(worst, limit || 0) * 1.04) / unit;
      return new uPlot({
        width: place.clientWidth || 400, height: 290, pxAlign: false, legend: { show: false }, cursor: { show: false },
        scales: { x: { time: false, range: [left, right] }, y: { distr: 3, range: [LOWEST_RATE, DRAWN_RATE] } },
        axes: [axis(`memory limit, ${name}`), axis("writes/s", { size: 76, splits: () => POWERS_OF_TEN, filter: (u, splits) => splits, values: (u, splits) => splits.map(formatCount) })],
        series: [{}, { label: "writes/s", stroke: () => colour("expected"), width: 2, fill: () => faded(colour("expected"), 0.14), fillTo: LOWEST_RATE, points: { show: false } }],
        hooks: { draw: [(u) => {
          const line = (x, paint, dash) => {
            const at = u.valToPos(x / unit, "x", true);
            u.ctx.save();
            u.ctx.strokeStyle = colour(paint);
            u.ctx.lineWidth = 2 * devicePixelRatio;
            u.ctx.setLineDash(dash.map((each) => each * devicePixelRatio));
            u.ctx.beginPath();
            u.ctx.moveTo(at, u.bbox.top);
            u.ctx.lineTo(at, u.bbox.top + u.bbox.height);
            u.ctx.stroke();
            u.ctx.restore();
          };
          line(worst, "worst", [8, 5]);
          if (limit === null) return;
          line(limit, "limit", []);
          mark(u, limit / unit, Math.min(DRAWN_RATE, Math.max(LOWEST_RATE, rate)), fits ? "expected" : "killed", !fits);
        }] },
      }, [xs, ys], place);
    }
  }

  // --- each server's, once it comes into sight; all of them for the printer ---
  const made = new Map();
  const make = (place) => { if (!made.has(place)) made.set(place, new WhatIf(place)); };
  const places = [...document.querySelectorAll(".what-if")];
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { make(entry.target); watcher.unobserve(entry.target); }
  }, { rootMargin: "200px" });
  places.forEach((place) => watcher.observe(place));
  const redraw = () => made.forEach((each) => each.draw());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(redraw, 120); });
  addEventListener("beforeprint", () => {
    places.forEach(make);
    document.querySelectorAll("details").forEach((each) => { each.open = true; });
  });
})();
