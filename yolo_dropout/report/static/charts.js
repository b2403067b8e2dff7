"use strict";
// The charts of the report, drawn with Observable Plot. `data` is the page's JSON, `state.hidden` the rates switched off.
const state = { metric: 0, score: 0, hidden: new Set(), epoch: null };
let data;
const colour = (rate) => `var(--rate-${rate})`;
const isControl = (rate) => Number(data.rates[rate]) === 0;
const isNamed = () => data.rates.some((name) => Number.isNaN(Number(name)));  // treatments with names of their own
const noun = () => (isNamed() ? "treatment" : "rate");
const longest = () => d3.max(data.rates, (name) => name.length);
const rateName = (rate) => data.rates[rate] + (isControl(rate) ? " (control)" : "");
const shown = () => d3.range(data.rates.length).filter((rate) => !state.hidden.has(data.rates[rate]));
const finite = (value) => value !== null && value !== undefined;

function format(values) {
  const known = values.filter(finite), span = known.length > 1 ? d3.max(known) - d3.min(known) : Math.abs(known[0] ?? 1);
  const decimals = span > 0 ? 2 - Math.floor(Math.log10(span)) : 3, least = (value) => 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 1)));
  return (value) => (finite(value) ? value.toFixed(Math.min(6, Math.max(decimals, least(value), 0))).replace(/^-(?=0(\.0*)?$)/, "") : "–");
}

const look = (width, height, label) => ({
  width, height, marginLeft: 54, marginTop: 16, marginBottom: 40, ariaLabel: label,
  style: { fontSize: "12px", background: "transparent", color: "var(--muted)", overflow: "visible" },
});
const axes = (frame, ticks) => [
  Plot.gridY({ stroke: "var(--grid)", strokeOpacity: 1, ticks }), Plot.axisY({ label: null, tickSize: 0, ticks }),
  Plot.ruleY([frame[0]], { stroke: "var(--muted)" }),
];

// Moves labels apart (in units of the value axis) and keeps them inside the frame.
function spread(places, gap, [low, high]) {
  const order = d3.sort(d3.range(places.length), (i) => places[i]), moved = places.slice();
  order.forEach((i, k) => { moved[i] = Math.max(k ? moved[order[k - 1]] + gap : low, Math.min(places[i], high)); });
  for (let k = order.length - 1, top = high; k >= 0; k--, top = moved[order[k + 1]] - gap) moved[order[k]] = Math.min(moved[order[k]], top);
  return moved;
}

function lineChart(metric, width, height, detailed) {
  const rates = shown(), [low, high] = metric.frame, last = metric.epochs.at(-1), first = metric.epochs[0];
  const faint = metric.runs.filter(([rate]) => rates.includes(rate)).flatMap(([rate, block, values]) =>
    values.map((v, i) => ({ e: metric.runEpochs[i], v: v ?? NaN, rate, run: `${rate}/${block}` })));
  const opacity = metric.runs.length > 150 ? 0.08 : 0.3, right = detailed ? Math.min(Math.max(106, 24 + 7 * longest()), width / 2) : 10;
  const ticks = Math.max(1, Math.min(detailed ? 8 : 4, last - first, (width - right - 54) / 40));
  const marks = [
    ...axes(metric.frame, detailed ? 7 : 4), Plot.axisX({ label: detailed ? "epoch" : null, labelAnchor: "center", labelArrow: "none", labelOffset: 38, tickSize: 0, ticks, tickFormat: "d" }),
    Plot.line(faint, { x: "e", y: "v", z: "run", stroke: (d) => colour(d.rate), strokeOpacity: opacity, strokeWidth: 0.9, clip: true }),
  ];
  for (const rate of [...rates].reverse()) {
    const line = metric.means[rate].map((v, i) => ({ e: metric.epochs[i], v: v ?? NaN }));
    marks.push(Plot.line(line, { x: "e", y: "v", stroke: colour(rate), strokeWidth: 2.3, strokeDasharray: isControl(rate) ? "6 3" : null, clip: true }));
  }
  const best = rates.filter((rate) => metric.best[rate]).map((rate) => ({ rate, e: metric.best[rate][0], v: metric.best[rate][1] }));
  marks.push(Plot.dot(best, { x: "e", y: "v", r: detailed ? 4.5 : 3, fill: (d) => colour(d.rate), stroke: "var(--paper)", strokeWidth: 1.2 }));
  if (detailed) marks.push(...endLabels(metric, rates, height - 50), Plot.ruleX(metric.epochs, Plot.pointerX({ x: (d) => d, stroke: "var(--muted)" })));
  const options = look(width, height, `${metric.name} by epoch, one line per ${noun()}; the values are in the table below`);
  return Plot.plot({ ...options, marginRight: right, marks,
    x: { domain: last > first ? [first, last] : [first - 0.5, last + 0.5] }, y: { domain: [low, high], type: "linear" }, color: { type: "identity" } });
}

function endLabels(metric, rates, height) {
  const [low, high] = metric.frame, ends = rates.map((rate) => {
    const k = metric.means[rate].findLastIndex(finite);
    return k < 0 ? null : { rate, e: metric.epochs[k], v: Math.min(high, Math.max(low, metric.means[rate][k])) };
  }).filter((end) => end);
  const places = spread(ends.map((end) => end.v), ((high - low) * 15) / height, [low, high]);
  ends.forEach((end, i) => { end.place = places[i]; });
  const last = metric.epochs.at(-1);
  return [
    ...ends.map((end) => Plot.link([end], { x1: "e", y1: "v", x2: last, y2: "place", stroke: colour(end.rate), strokeOpacity: 0.5 })),
    Plot.dot(ends, { x: last, y: "place", dx: 10, symbol: "square", r: 3.5, fill: (d) => colour(d.rate) }),
    Plot.text(ends, { x: last, y: "place", text: (d) => rateName(d.rate), dx: 18, textAnchor: "start", fill: "var(--ink)", fontWeight: (d) => (isControl(d.rate) ? 700 : 400) }),
  ];
}

// Improvement on the control by treatment: means with their limits, and a dot for every seed.
function effectsChart(score, width) {
  const rates = shown().filter((rate) => !isControl(rate)), name = (d) => data.rates[d.rate], sign = score.higher ? 1 : -1;
  const gain = (value, control) => (finite(value) && finite(control) ? sign * (value - control) : NaN);
  const dots = score.values.flatMap((row, i) => rates.map((rate) => ({ rate, block: score.blocks[i], v: gain(row[rate], row[0]) })));
  const means = rates.map((rate) => ({ rate, v: gain(score.means[rate], score.means[0]) })).filter((d) => Number.isFinite(d.v));
  const bars = rates.filter((rate) => score.limits[rate]).map((rate) => ({ rate, ends: score.limits[rate].map((end) => gain(end, score.means[0])) }));
  const text = format([0, ...means.map((d) => d.v)]), label = Math.min(24 + 7 * longest(), width / 2.5);
  const band = score === data.scores[0] && data.relevant ? [data.relevant] : [];
  return Plot.plot({ ...look(width, 70 + 44 * rates.length, `${score.name}: improvement by treatment; the values are in the table below`), marginLeft: label, marginRight: 60,
    x: { nice: true }, y: { type: "point", domain: rates.map((rate) => data.rates[rate]), padding: 0.6 },
    marks: [
      Plot.rectX(band, { x1: (d) => -d, x2: (d) => d, fill: "var(--muted)", fillOpacity: 0.08 }),
      Plot.gridX({ stroke: "var(--grid)", strokeOpacity: 1 }), Plot.axisX({ label: "improvement on the control", labelAnchor: "center", labelArrow: "none", labelOffset: 38, tickSize: 0 }), Plot.axisY({ label: null, tickSize: 0 }),
      Plot.ruleX([0], { stroke: "var(--ink)", strokeDasharray: "5 4" }),
      Plot.dot(dots, { x: "v", y: name, dy: 7, r: 3, fill: (d) => colour(d.rate), fillOpacity: score.blocks.length > 40 ? 0.3 : 0.7 }),
      ...bars.map((bar) => Plot.link([bar], { x1: (d) => d.ends[0], x2: (d) => d.ends[1], y1: name, y2: name, dy: -7, stroke: colour(bar.rate), strokeWidth: 1.6, marker: "tick" })),
      Plot.dot(means, { x: "v", y: name, dy: -7, r: 6, symbol: "diamond", fill: (d) => colour(d.rate), stroke: "var(--paper)" }),
      Plot.text(means, { y: name, dy: -7, text: (d) => text(d.v), frameAnchor: "right", dx: 52, textAnchor: "end", fill: "var(--ink)" }),
      Plot.tip(dots, Plot.pointer({ x: "v", y: name, fill: "var(--paper)", stroke: "var(--muted)", title: (d) => `${name(d)}, seed ${d.block}\n${text(d.v)}` })),
    ] });
}

function responseChart(score, width, height) {
  if (isNamed()) return effectsChart(score, width);
  const rates = shown(), names = rates.map((rate) => data.rates[rate]), name = (d) => data.rates[d.rate];
  const dots = score.values.flatMap((row, i) => rates.map((rate) => ({ rate, block: score.blocks[i], v: row[rate] ?? NaN })));
  const means = rates.filter((rate) => finite(score.means[rate])).map((rate) => ({ rate, v: score.means[rate] }));
  const bars = rates.filter((rate) => score.limits[rate]).map((rate) => ({ rate, low: score.limits[rate][0], high: score.limits[rate][1] }));
  const control = means.find((d) => isControl(d.rate)), decides = score === data.scores[0];
  const band = decides && data.relevant && control ? [[control.v - data.relevant, control.v + data.relevant]] : [];
  const all = [...dots.map((d) => d.v), ...bars.flatMap((b) => [b.low, b.high]), ...band.flat()].filter(Number.isFinite);
  const [low, high] = all.length ? d3.extent(all) : [0, 1], pad = Math.max(0.08 * (high - low), score.key === "gap" ? 0 : 0.001 * Math.abs(high)) || 0.1, frame = [score.key === "gap" ? Math.min(0, low) - pad / 2 : low - pad, high + pad];
  const text = format(score.means), aside = Math.min(14, width / names.length / 5), many = score.blocks.length > 40;
  const chosen = decides && data.chosen !== null && rates.includes(data.chosen) ? [data.chosen] : [];
  const step = (width - 60) / names.length, wide = step < 45 ? 0 : aside + 13 + 7 * (d3.max(means, (d) => text(d.v).length) ?? 0);
  return Plot.plot({ ...look(width, height, `${score.name} by rate; the values are in the table below`), marginRight: Math.max(14, wide - step / 2), marginBottom: step < 45 ? 56 : 40,
    x: { type: "point", domain: names, padding: 0.5 }, y: { domain: frame },
    marks: [
      Plot.rectY(band, { y1: (d) => d[0], y2: (d) => d[1], fill: "var(--muted)", fillOpacity: 0.08 }),
      Plot.ruleX(chosen, { x: (d) => data.rates[d], stroke: colour(chosen[0]), strokeWidth: step * 0.85, strokeOpacity: 0.1 }),
      Plot.text(chosen, { x: (d) => data.rates[d], text: () => "chosen", frameAnchor: "top", dy: 4, fill: "var(--ink)", fontWeight: 700 }),
      ...axes(frame, 7), Plot.axisX({ label: "dropout rate", labelOffset: step < 45 ? 52 : 38, tickSize: 0, tickRotate: step < 45 ? -45 : 0, tickFormat: (d) => (Number(d) === 0 ? (step > 90 ? "0.0 (control)" : "0.0") : d) }),
      ...(control ? [Plot.ruleY([control.v], { stroke: "var(--ink)", strokeDasharray: "5 4" })] : []),
      Plot.line(dots, { x: name, y: "v", z: "block", stroke: "var(--muted)", strokeOpacity: many ? 0.12 : 0.4, strokeWidth: 0.9 }),
      Plot.dot(dots, { x: name, y: "v", r: 3, fill: (d) => colour(d.rate), fillOpacity: many ? 0.3 : 0.7 }),
      ...bars.map((bar) => Plot.link([bar], { x1: name, x2: name, y1: "low", y2: "high", dx: aside, stroke: colour(bar.rate), strokeWidth: 1.6, marker: "tick" })),
      Plot.dot(means, { x: name, y: "v", dx: aside, r: 6, symbol: "diamond", fill: (d) => colour(d.rate), stroke: "var(--paper)" }),
      Plot.text(step < 45 ? [] : means, { x: name, y: "v", dx: aside + 9, text: (d) => text(d.v), textAnchor: "start", fill: "var(--ink)", stroke: "var(--paper)", strokeWidth: 4 }),
      Plot.tip(dots, Plot.pointer({ x: name, y: "v", fill: "var(--paper)", stroke: "var(--muted)", title: (d) => `rate ${name(d)}, seed ${d.block}\n${text(d.v)}` })),
    ] });
}
