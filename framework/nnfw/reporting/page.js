"use strict";
// Shows the values of curves at the pointer or by arrow keys, and switches between dark and light. Optional.
const SVG = "http://www.w3.org/2000/svg";

function draw(parent, tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
}

function show(plot, data, index) {
  const cursor = plot.querySelector(".cursor");
  const x = data.x[index];
  cursor.replaceChildren();
  cursor.setAttribute("visibility", "visible");
  draw(cursor, "line", { x1: x, x2: x, y1: data.top, y2: data.bottom });
  data.series.forEach((series, number) => {
    const y = series.y[index];
    if (y !== null) draw(cursor, "circle", { class: `dot s${number}`, cx: x, cy: y, r: 4 });
  });
  const values = data.series.map((series) => `${series.name} ${series.text[index]}`);
  plot.closest("figure").querySelector(".reading").textContent = `epoch ${data.epochs[index]}: ${values.join(", ")}`;
}

function nearest(places, x) {
  let best = 0;
  places.forEach((place, index) => {
    if (Math.abs(place - x) < Math.abs(places[best] - x)) best = index;
  });
  return best;
}

for (const plot of document.querySelectorAll("[data-curves]")) {
  const data = JSON.parse(plot.dataset.curves);
  const last = data.x.length - 1;
  let index = last;
  plot.addEventListener("pointermove", (event) => {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(plot.getScreenCTM().inverse());
    index = nearest(data.x, place.x);
    show(plot, data, index);
  });
  plot.addEventListener("keydown", (event) => {
    const moved = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: last }[event.key];
    if (moved === undefined) return;
    event.preventDefault();
    index = Math.min(last, Math.max(0, moved));
    show(plot, data, index);
  });
  plot.addEventListener("focus", () => show(plot, data, index));
}

const button = document.getElementById("theme");
button.hidden = false;
button.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
