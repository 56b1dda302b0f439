// What the network does at one point of the plane: the input there, and the linear function that holds around it.

import { categoryColor } from "../../draw/categories.ts";
import { u8 } from "../../model/arrays.ts";
import type { Context } from "../../model/context.ts";
import { type Plane, type Point, planeOf, samplesOf } from "../../model/regions.ts";
import type { Scene } from "../../model/scene.ts";
import type { RowPhoto } from "../../model/traits.ts";
import { h, pictured, say, sized } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";
import { spotOf } from "./spot.ts";

const MOST_ROWS = 5;
const PICTURE = 224;

export function herePane(context: Context, scene: Scene): HTMLElement {
  const spot = spotOf(context);
  const title = heading(t("at a point"));
  title.title = t("point at the plane to read it there; click to keep the point");
  const mixture = h("canvas", { class: "nn-mixture", role: "img", "aria-label": t("the input at this point") });
  const words = h("div", { class: "nn-soft nn-line", "aria-live": "polite" });
  const table = h("table", { class: "nn-here" });
  let pictures: { raw: RowPhoto; image: HTMLImageElement }[] = [];

  const mix = ([u, v]: Point) => {
    const shares = [1 - u - v, u, v];
    mixture.hidden = !pictures.length;
    if (!pictures.length || !pictures.every(({ image }) => image.complete && image.naturalWidth)) return;
    const { width, height } = pictures[0].raw;
    const pixels = pictures.map(({ image }) => {
      const pen = sized(h("canvas"), width, height);
      pen.drawImage(image, 0, 0, width, height);
      return pen.getImageData(0, 0, width, height).data;
    });
    const made = new ImageData(width, height);
    for (let at = 0; at < made.data.length; at++)
      made.data[at] = at % 4 === 3 ? 255 : pixels.reduce((sum, from, which) => sum + shares[which] * from[at], 0);
    const small = h("canvas", { width, height });
    small.getContext("2d")!.putImageData(made, 0, 0);
    const pen = sized(mixture, PICTURE, (PICTURE * height) / width);
    mixture.style.width = `${PICTURE}px`;
    pen.drawImage(small, 0, 0, PICTURE, (PICTURE * height) / width);
  };
  const row = (plane: Plane, piece: number, output: number, point: Point) => {
    const [a, b] = plane.gradient(piece, output);
    const value = plane.outputs(piece, point)[output];
    const [right, up] = context.get("points")?.names.length ? ["u", "v"] : ["x₁", "x₂"];
    const constant = value - a * point[0] - b * point[1];
    const sign = (number: number) => (number < 0 ? "−" : "+");
    const formula = `${short(a)} ${right} ${sign(b)} ${short(Math.abs(b))} ${up} ${sign(constant)} ${short(Math.abs(constant))}`;
    const single = plane.payload.outputs === 1;
    const swatch = h("span", { class: "nn-swatch" });
    swatch.style.background = categoryColor(single ? 1 : output, 0.6);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, single ? "" : swatch, single ? t("output") : scene.label(output)),
      h("td", {}, formula),
      h("td", { class: "nn-number" }, `= ${short(value)}`),
    );
  };
  const show = () => {
    const point = spot.point;
    const plane = planeOf(context.get("regions"));
    const samples = samplesOf(context.get("plane_samples"));
    const piece = plane?.at(point) ?? -1;
    mix(point);
    const place = t("at {place}", { place: `(${short(point[0])}, ${short(point[1])})` });
    if (plane && piece >= 0) {
      const best = plane.best(piece, point);
      const which = t("piece {number}", { number: piece + 1 });
      say(words, `${place}: ${which}; ${scene.label(best)}`);
      const outputs = plane.outputs(piece, point);
      const order = outputs.map((_, output) => output).sort((one, other) => outputs[other] - outputs[one]);
      table.replaceChildren(...order.slice(0, MOST_ROWS).map((output) => row(plane, piece, output, point)));
    } else {
      table.replaceChildren();
      const cell = samples?.at(point) ?? -1;
      if (samples && cell >= 0) {
        const lead = t("ahead by {value}", { value: short(samples.leads[cell]) });
        say(words, `${place}: ${scene.label(samples.classes[cell])}, ${lead}`);
      } else say(words, place);
    }
  };
  context.watch(["points"], () => {
    const given = context.get("points")?.pictures ?? [];
    if (given.every((raw, place) => raw === pictures[place]?.raw) && given.length === pictures.length) return;
    pictures = given.map((raw) => ({ raw, image: pictured(u8(raw.data), () => mix(spot.point)) }));
  });
  context.watch(["regions", "plane_samples", "here", "points", "labels"], show);
  spot.onHover(show);
  return h("div", {}, title, words, h("div", { class: "nn-here-body" }, mixture, table));
}
