// How far the linear function holds: borders of its piece, and its error beyond them.

import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import type { ReachPayload } from "../../model/traits.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { percent, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";

const HEIGHT = 190;
const [LEFT, FOOT] = [44, 30];

export function reachPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("how far it holds"));
  const waiting = h("div", { class: "nn-soft nn-empty" }, t("being computed"));
  const table = h("table", { class: "nn-table nn-reach" });
  const facts = h("div", { class: "nn-soft" });
  const canvas = h("canvas", { class: "nn-curve", role: "img" });
  const stage = h("div", {}, canvas);
  const about = h("div", {});
  const key = h("div", { class: "nn-soft" });
  const body = h("div", {}, table, facts, stage, about, key);
  let width = 300;

  const draw = () => {
    const reach = context.get("reach");
    if (!reach) return;
    const { distances, errors, smallest, limit, radius } = reach.validity;
    const pen = sized(canvas, width, HEIGHT);
    canvas.style.width = `${width}px`;
    const facet = reach.rows[0]?.distance ?? null;
    const low = Math.log10(Math.min(distances[0], facet && facet > 0 ? facet : distances[0]));
    const high = Math.log10(distances[distances.length - 1]);
    const x = (distance: number) => LEFT + ((Math.log10(distance) - low) / (high - low)) * (width - LEFT - 4);
    const bottom = Math.log10(smallest);
    const y = (error: number) => 4 + (1 - (Math.log10(error) - bottom) / (0.5 - bottom)) * (HEIGHT - FOOT - 4);
    pen.font = "10px system-ui, sans-serif";
    pen.fillStyle = context.color("--nn-dim");
    pen.strokeStyle = context.color("--nn-line");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const share of [1, 0.1, 0.01, 0.001, 1e-4, 1e-5]) {
      if (share < smallest * 2) continue;
      pen.beginPath();
      pen.moveTo(LEFT, y(share));
      pen.lineTo(width, y(share));
      pen.stroke();
      pen.fillText(share >= 0.01 ? percent(share) : short(share, 1), LEFT - 4, y(share));
    }
    pen.textBaseline = "top";
    pen.textAlign = "center";
    const every = Math.max(1, Math.ceil((high - low) / 5));
    for (let power = Math.ceil(low); power <= high; power += every)
      pen.fillText(short(10 ** power, 1), x(10 ** power), HEIGHT - FOOT + 3);
    pen.textAlign = "right";
    pen.fillText(t("distance from the input"), width - 4, HEIGHT - FOOT + 16);
    const across = (distance: number, ink: string, dash: number[]) => {
      pen.strokeStyle = context.color(ink);
      pen.setLineDash(dash);
      pen.beginPath();
      pen.moveTo(x(distance), 4);
      pen.lineTo(x(distance), HEIGHT - FOOT);
      pen.stroke();
      pen.setLineDash([]);
    };
    pen.lineWidth = 1.5;
    if (facet && facet > 0) across(facet, "--nn-ink", []);
    if (radius !== null) across(radius, "--nn-ink", [4, 3]);
    for (const [place, row] of errors.entries()) {
      pen.strokeStyle = context.color(place === 0 ? "--nn-accent" : "--nn-bar");
      pen.beginPath();
      for (const [at, error] of row.entries()) pen.lineTo(x(distances[at]), y(Math.min(3, error)));
      pen.stroke();
    }
    const parts = [t("error of the linear function, as a share of the change of the scores")];
    if (facet && facet > 0) parts.push(t("line: the nearest border"));
    if (radius !== null) parts.push(t("dashed: {limit} in the middle direction", { limit: percent(limit) }));
    say(key, parts.join("; "));
    canvas.setAttribute("aria-label", `${key.textContent}. ${about.textContent}`);
  };
  context.watch(["reach"], () => {
    const reach = context.get("reach");
    waiting.hidden = Boolean(reach);
    body.hidden = !reach;
    if (!reach) return;
    fill(table, reach);
    table.hidden = !reach.rows.length;
    const count = plural(
      "the distance of {count} unit was computed",
      "the distances of {count} units were computed",
      reach.examined,
    );
    const rest = reach.certain ? t("no other is nearer") : t("another may be nearer");
    say(facts, reach.examined ? `${count}; ${rest}` : "");
    say(about, reach.validity.about);
    draw();
  });
  context.onTheme(draw);
  onResize(context, stage, () => {
    width = stage.clientWidth;
    draw();
  });
  return h("div", {}, title, waiting, body);
}

function fill(table: HTMLElement, reach: ReachPayload): void {
  const head = [t("direction"), t("to the border"), t("grey levels"), t("unit of")].map((words) =>
    h("th", { scope: "col" }, words),
  );
  const number = (value: number | null) => (value === null ? t("none") : short(value, 2));
  table.replaceChildren(
    h("thead", {}, h("tr", {}, ...head)),
    h(
      "tbody",
      {},
      ...reach.rows.map((row) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, row.name),
          h(
            "td",
            { title: row.share === null ? "" : t("{share} of the input's length", { share: short(row.share, 2) }) },
            number(row.distance),
          ),
          h("td", {}, number(row.levels)),
          h("td", { class: "nn-name" }, row.layer),
        ),
      ),
    ),
  );
}
