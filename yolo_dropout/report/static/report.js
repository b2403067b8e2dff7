"use strict";
// Brings the page to life: choices, read-out, downloads, live updates. What a reader has chosen (`state`) outlives an update.
// Charts of more runs than this are drawn when they come near the screen.
const AT_ONCE = 200;
let redraws = [];
const $ = (id) => document.getElementById(id);
function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function swatch(rate) {
  const node = element("span", { className: "swatch" + (isControl(rate) ? " control" : "") });
  node.style.borderTopColor = colour(rate);
  node.setAttribute("aria-hidden", "true");
  return node;
}

function mount(chart, build) {
  for (const figure of document.querySelectorAll(`[data-chart="${chart}"]`)) {
    const place = figure.querySelector(".plot");
    place.hidden = false;
    let near = data.metrics.every((metric) => metric.runs.length <= AT_ONCE);
    const draw = () => { if (near && place.clientWidth) place.replaceChildren(...build(place.clientWidth)); };
    const approach = () => { if (!near) { near = true; draw(); } };
    redraws.push(draw);
    if (near) draw();
    else new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) approach(); }, { rootMargin: "200px" }).observe(figure);
    window.addEventListener("beforeprint", approach);
  }
}

// To assistive technology a chart is one picture with a name; its groups carry class names instead of labels.
function drawing(svg) {
  svg.setAttribute("role", "img");
  for (const group of svg.querySelectorAll("g[aria-label]")) {
    group.classList.add(group.getAttribute("aria-label").split(" ")[0]);
    group.removeAttribute("aria-label");
  }
  return svg;
}

function curve(width) {
  const metric = data.metrics[state.metric], chart = drawing(lineChart(metric, width, width < 500 ? 300 : 400, true));
  chart.addEventListener("input", () => { if (finite(chart.value)) read(metric.epochs.indexOf(chart.value)); });
  return [chart];
}

const parts = (width) => {
  const grid = element("div", { className: "parts" }), each = width < 520 ? width : Math.floor(width / Math.min(3, data.parts.length)) - 20;
  for (const metric of data.metrics.filter((m) => data.parts.includes(m.key)))
    grid.append(element("div", {}, element("h4", { textContent: metric.name.replace(" (validation)", "") }), drawing(lineChart(metric, each, 200, false))));
  return [grid];
};

function read(place) {
  const metric = data.metrics[state.metric], text = format(metric.means.map((line) => line[place]));
  state.epoch = place;
  $("epoch").value = place;
  $("epoch").setAttribute("aria-valuetext", `epoch ${metric.epochs[place]}`);
  $("epoch-out").textContent = metric.epochs[place];
  $("readout").replaceChildren(...shown().map((rate) => element("li", {}, swatch(rate), `${data.rates[rate]}: ${text(metric.means[rate][place])}`)));
}

function fill(table, caption, head, rows) {
  table.caption.textContent = caption;
  table.tHead.replaceChildren(element("tr", {}, ...head.map((text) => element("th", { scope: "col", textContent: text }))));
  table.tBodies[0].replaceChildren(...rows.map(([label, values, text]) => {
    const cells = values.map((value) => { const cell = element("td", { textContent: text(value) }); cell.dataset.raw = value ?? ""; return cell; });
    return element("tr", {}, element("th", { scope: "row", textContent: label }), ...cells);
  }));
}

function showMetric() {
  const metric = data.metrics[state.metric], count = metric.epochs.length, text = format(metric.means.flat().length < 5e4 ? metric.frame : []);
  $("epoch").max = count - 1;
  $("metric-note").textContent = metric.lower ? "lower is better" : "higher is better";
  const lines = d3.range(count).filter((i) => count <= 30 || i % Math.ceil(count / 30) === 0 || i === count - 1);
  fill($("means"), `Mean ${metric.name} over runs, by epoch and ${noun()}`, ["epoch", ...data.rates], lines.map((i) => [metric.epochs[i], metric.means.map((line) => line[i] ?? null), text]));
  const ended = Math.max(...metric.means.map((line) => line.findLastIndex(finite)));  // runs may stop early, each at its own epoch
  read(Math.min(state.epoch ?? Math.max(ended, 0), count - 1));
}

function showScore() {
  const score = data.scores[state.score], name = score.name[0].toUpperCase() + score.name.slice(1);
  if (state.score) fill($("scores"), `${name}, by seed and ${noun()}`, ["seed", ...data.rates], score.values.map((row, i) => [score.blocks[i], row, format(row)]));
  $("score-note").textContent = `${score.higher ? "Higher" : "Lower"} is better. ` + (state.score ? `The verdict above rests on another score: ${data.scores[0].name}.` : "The verdict rests on this score.");
}

function choices(select, names, key) {
  select.replaceChildren(...names.map((name, i) => element("option", { value: i, textContent: name })));
  select.value = Math.min(state[key], names.length - 1);
  select.onchange = () => { state[key] = Number(select.value); refresh(); };
}

function rateBoxes() {
  for (const fieldset of document.querySelectorAll(".rates")) {
    fieldset.querySelectorAll("label").forEach((label) => label.remove());
    data.rates.forEach((rate, i) => {
      const box = element("input", { type: "checkbox", checked: !state.hidden.has(rate), value: rate });
      box.onchange = () => {
        state.hidden[box.checked ? "delete" : "add"](rate);
        document.querySelectorAll(`.rates input[value="${rate}"]`).forEach((twin) => { twin.checked = box.checked; });
        refresh();
      };
      fieldset.append(element("label", {}, box, swatch(i), rate));
    });
  }
}

function downloads() {
  for (const table of document.querySelectorAll("table[data-csv]")) {
    const button = element("button", { type: "button", className: "download", textContent: `Download ${table.dataset.csv}` });
    button.onclick = () => {
      const cell = (c) => { const text = c.dataset.name ?? c.dataset.raw ?? c.textContent.trim(); return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text; };
      const lines = [...table.rows].map((row) => [...row.cells].map(cell).join(","));
      const url = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
      element("a", { href: url, download: table.dataset.csv }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    };
    table.closest(".scroll").after(button);
  }
}

function refresh() {
  if (data.metrics.length) showMetric();
  showScore();
  redraws.forEach((draw) => draw());
}

function start() {
  data = JSON.parse($("data").textContent);
  redraws = [];
  state.metric = Math.min(state.metric, Math.max(0, data.metrics.length - 1));
  document.documentElement.classList.add("scripted");
  document.querySelectorAll(".js").forEach((node) => { node.hidden = false; });
  choices($("score"), data.scores.map((score) => score.name), "score");
  choices($("metric"), data.metrics.map((metric) => metric.name), "metric");
  rateBoxes();
  downloads();
  $("epoch").oninput = () => read(Number($("epoch").value));
  if (data.metrics.length) showMetric();
  showScore();
  mount("response", (width) => [drawing(responseChart(data.scores[state.score], width, 380))]);
  if (data.metrics.length) mount("curve", curve);
  if (data.parts.length) mount("parts", parts);
  mount("gap", (width) => [drawing(responseChart(data.scores.at(-1), width, 300))]);
}

async function follow() {
  const page = $("page");
  try {
    const version = await (await fetch("version", { cache: "no-store" })).text();
    if (version !== page.dataset.live) await renew();
    document.querySelectorAll(".live").forEach((node) => { node.textContent = "live"; });
  } catch {
    document.querySelectorAll(".live").forEach((node) => { node.textContent = "the study's process has ended"; });
  }
  setTimeout(follow, 2000);
}

async function renew() {
  const text = await (await fetch("./", { cache: "no-store" })).text(), fresh = new DOMParser().parseFromString(text, "text/html");
  const open = [...document.querySelectorAll("details")].map((node) => node.open), scroll = window.scrollY;
  $("page").replaceWith(document.adoptNode(fresh.getElementById("page")));
  document.title = fresh.title;
  [...document.querySelectorAll("details")].forEach((node, i) => { if (i in open) node.open = open[i]; });
  start();
  window.scrollTo(0, scroll);
}

start();
let width = window.innerWidth;
window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; redraws.forEach((draw) => draw()); } });
if ("live" in $("page").dataset) setTimeout(follow, 2000);
