// Predicting the network in another way: how well simple models do at growing distances from the image.

import { Play } from "lucide";
import { categoryColor } from "../../draw/categories.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { iconButton, toolbar } from "../../ui/controls.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { percent, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

const HEIGHT = 150;
const [LEFT, FOOT] = [36, 28];

export function surrogatesPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("predicting it in another way"));
  const empty = h(
    "div",
    { class: "nn-soft nn-empty" },
    t(
      "Fits simple models to the network around the image, and shows where they stop predicting it. Some hundred passes.",
    ),
  );
  const progress = h("progress", { max: 1, "aria-label": t("how much is done") });
  const canvas = h("canvas", { class: "nn-curve", role: "img" });
  const stage = h("div", {}, canvas);
  const list = h("ul", { class: "nn-remarks" });
  const formula = h("div", { class: "nn-soft nn-wrap" });
  const missing = h("div", { class: "nn-soft" });
  const body = h("div", {}, stage, list, formula, missing);
  const run = iconButton(Play, t("fit simple models"), () => context.set({ fit: context.get("fit") + 1 }, false));
  let width = 300;

  const nameOf = (kind: string) =>
    ({ linear: t("linear"), tree: t("a tree of depth 4"), symbolic: t("symbolic regression") })[kind] ?? kind;
  const draw = () => {
    const found = context.get("surrogates");
    if (!found) return;
    const pen = sized(canvas, width, HEIGHT);
    canvas.style.width = `${width}px`;
    const [low, high] = [Math.log10(found.radii[0]), Math.log10(found.radii[found.radii.length - 1])];
    const x = (radius: number) => LEFT + ((Math.log10(radius) - low) / (high - low || 1)) * (width - LEFT - 6);
    const y = (score: number) => 6 + (1 - Math.max(0, Math.min(1, score))) * (HEIGHT - FOOT - 12);
    pen.font = "10px system-ui, sans-serif";
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const score of [0, 0.5, found.limit, 1]) {
      pen.strokeStyle = context.color(score === found.limit ? "--nn-dim" : "--nn-line");
      pen.setLineDash(score === found.limit ? [4, 3] : []);
      pen.beginPath();
      pen.moveTo(LEFT, y(score));
      pen.lineTo(width, y(score));
      pen.stroke();
      pen.fillStyle = context.color("--nn-dim");
      if (score !== found.limit) pen.fillText(short(score, 1), LEFT - 4, y(score));
    }
    pen.setLineDash([]);
    for (const [which, row] of found.rows.entries()) {
      pen.strokeStyle = categoryColor(which);
      pen.lineWidth = 1.75;
      pen.beginPath();
      for (const [at, score] of row.scores.entries()) pen.lineTo(x(found.radii[at]), y(score));
      pen.stroke();
    }
    pen.fillStyle = context.color("--nn-dim");
    pen.textBaseline = "bottom";
    pen.textAlign = "left";
    pen.fillText(percent(found.radii[0] / found.length), LEFT, HEIGHT - 12);
    pen.textAlign = "right";
    pen.fillText(percent(found.radii[found.radii.length - 1] / found.length), width - 4, HEIGHT - 12);
    pen.fillText(t("radius, of the input's length"), width - 4, HEIGHT);
    canvas.setAttribute("aria-label", list.textContent ?? "");
  };
  context.watch(["surrogates", "fitted", "busy", "adversarial", "growth"], () => {
    const found = context.get("surrogates");
    const share = context.get("fitted")?.share ?? null;
    progress.hidden = share === null;
    progress.value = share ?? 0;
    empty.hidden = Boolean(found) || share !== null;
    body.hidden = !found;
    run.hidden = Boolean(found) || share !== null;
    run.disabled = !context.live;
    if (!context.live) run.title = needsKernel();
    if (!found) return;
    const nearest = context.get("adversarial")?.rows[0]?.share ?? null;
    const beside = [
      nearest === null
        ? ""
        : t("beside it: another class at {share} of the input's length", { share: percent(nearest) }),
      context.get("growth")?.facts[0] ?? "",
    ].filter(Boolean);
    list.replaceChildren(
      ...found.rows.map((row, which) => {
        const swatch = h("span", { class: "nn-swatch" });
        swatch.style.background = categoryColor(which);
        const radius = row.failure === null ? "" : percent(row.failure / found.length);
        const limit = short(found.limit, 1);
        const words =
          row.failure === null
            ? t("R² stays above {limit}", { limit })
            : t("R² falls below {limit} at a radius of {radius} of the input's length", { limit, radius });
        return h("li", {}, swatch, `${nameOf(row.kind)}: ${words}`);
      }),
      ...beside.map((words) => h("li", { class: "nn-soft" }, words)),
    );
    say(formula, found.formula ? t("symbolic regression found {formula}", { formula: found.formula }) : "");
    const packages = found.missing.join(", ");
    say(missing, found.missing.length ? t("more kinds with the packages {packages}", { packages }) : "");
    draw();
  });
  context.onTheme(draw);
  onResize(context, stage, () => {
    width = stage.clientWidth;
    draw();
  });
  const tools = context.hides("fit") ? null : toolbar([run]);
  return h("div", {}, h("div", { class: "nn-head" }, title, tools), progress, empty, body);
}
