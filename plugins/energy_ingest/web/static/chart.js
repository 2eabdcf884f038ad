// Small charts in SVG. Each has a title and a description in words, and stands beside a table or figures that say the same.

import { svg } from "./dom.js";

const WIDTH = 640;
const LEFT = 44;
const TOP = 8;
const BOTTOM = 20;

let charts = 0;

/** Frame with an axis: `draw({x, y})` gives what is in it, from place (0 to 1) and value to coordinates. */
function plot(title, { height, most, least = 0, label, ends }, draw) {
  const id = `chart-${(charts += 1)}`;
  const right = WIDTH - 8;
  const bottom = height - BOTTOM;
  const x = (place) => LEFT + place * (right - LEFT);
  const y = (value) => bottom - ((value - least) / (most - least || 1)) * (bottom - TOP);
  const ticks = [least, (least + most) / 2, most].map((value) => [
    svg("line", { class: "axis", x1: LEFT, x2: right, y1: y(value), y2: y(value) }),
    svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, label(value)),
  ]);
  const dates = ends.map((text, place) => svg("text", { x: place ? right : LEFT, y: height - 4, "text-anchor": place ? "end" : "start" }, text));
  return svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-labelledby": id }, svg("title", { id }, title), ticks, dates, draw({ x, y, bottom }));
}

/** Columns, each of parts on one another: `values` are [name, [[class, value, name of the part], ...]]. */
export function bars(title, values, { height = 150, label = short } = {}) {
  const sums = values.map(([, parts]) => parts.reduce((sum, [, value]) => sum + value, 0));
  const most = Math.max(1, ...sums);
  const width = (WIDTH - LEFT - 8) / Math.max(1, values.length);
  return plot(title, { height, most, label, ends: ends(values) }, ({ x, y, bottom }) =>
    values.map(([name, parts], place) => {
      let sum = 0;
      return parts.map(([kind, value, part]) => {
        sum += value;
        return svg("rect", { class: `bar ${kind}`, x: x(place / values.length) + width * 0.15, width: width * 0.7, y: y(sum), height: Math.max(0, bottom - y(value)) }, svg("title", {}, `${name}: ${value} ${part}`));
      });
    }));
}

/** A line through [name, value]; `target` is drawn dashed. */
export function line(title, values, { height = 110, target = null, label = short } = {}) {
  const known = values.map(([, value]) => value).concat(target ?? []).filter((value) => value !== null);
  const most = Math.max(...known, 0);
  const least = Math.min(...known, 0);
  return plot(title, { height, most: most === least ? most + 1 : most, least, label, ends: ends(values) }, ({ x, y }) => {
    const points = values.map(([, value], place) => [x(values.length > 1 ? place / (values.length - 1) : 0.5), y(value)]);
    return [
      target !== null && svg("line", { class: "target", x1: x(0), x2: x(1), y1: y(target), y2: y(target) }),
      points.length > 1 ? svg("polyline", { class: "line", points: points.map((point) => point.join(",")).join(" ") }) : points.map(([cx, cy]) => svg("circle", { class: "dot", cx, cy, r: 3 })),
    ];
  });
}

const ends = (values) => (values.length > 1 ? [values[0][0], values.at(-1)[0]] : values.map(([name]) => name));

/** 1.2k */
export function short(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${+(value / 1e6).toFixed(1)}M`;
  if (size >= 1e3) return `${+(value / 1e3).toFixed(1)}k`;
  return String(+value.toFixed(size < 10 ? 2 : 0));
}
