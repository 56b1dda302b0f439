// All heads of the layer as tiles, and the choice of the layer.

import { colorOf, type Limits } from "../../draw/colors.ts";
import { legend } from "../../draw/legend.ts";
import { drawTiles, isMove, placeByKey, pointedAt, tilePicture } from "../../draw/tile_canvas.ts";
import { type Grid, layout } from "../../draw/tiles.ts";
import { chosenHeads, type Heads } from "../../model/attention.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, onResize, say } from "../../ui/dom.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";

/** Pixels of a tile's longer side: of longer texts several weights make one, the largest. */
const MOST = 64;
export const LIMITS: Limits = [0, 1];

export function headsPane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const canvas = h("canvas", { class: "nn-mosaic", tabindex: 0, role: "application" });
  const stage = h("div", { class: "nn-stage" }, canvas);
  const reading = h("span", { class: "nn-soft nn-line nn-name nn-grow" });
  const scale = legend();
  let [width, height] = [300, 200];
  let grid: Grid | null = null;
  let picture: HTMLCanvasElement | null = null;
  let places: Int32Array = new Int32Array();
  let size = { rows: 1, columns: 1 };

  const layers = choice(t("layer"), [], (value) => context.set({ attention_layer: value }));
  layers.classList.add("nn-cut");
  const held = context.live ? null : (context.choices("attention_layer") ?? []);
  const combine = choice(
    t("show"),
    [
      ["head", t("one head")],
      ["mean", t("mean of the heads")],
      ["rollout", t("rollout up to this layer")],
    ],
    (value) => context.set({ combine: value }),
  );

  const paint = (heads: Heads) => {
    const step = Math.max(1, Math.ceil(Math.max(heads.queries, heads.keys) / MOST));
    size = { rows: Math.ceil(heads.queries / step), columns: Math.ceil(heads.keys / step) };
    places = Int32Array.from({ length: heads.heads }, (_, head) => head);
    grid = layout(heads.heads, size.columns, size.rows, width, height);
    const table = scene.table(LIMITS);
    picture = tilePicture(places, grid, size, (head, pixels, corner, across) => {
      const largest = new Float32Array(size.rows * size.columns);
      for (let query = 0; query < heads.queries; query++)
        heads.row(head, query, (key, weight) => {
          const at = Math.floor(query / step) * size.columns + Math.floor(key / step);
          if (weight > largest[at]) largest[at] = weight;
        });
      for (let at = 0; at < largest.length; at++)
        pixels[corner + Math.floor(at / size.columns) * across + (at % size.columns)] = colorOf(
          Math.sqrt(largest[at]),
          LIMITS,
          table,
        );
    });
    scale.show(LIMITS, table, t("square root of the weight"));
  };
  const draw = () => {
    if (!grid || !picture) return;
    drawTiles(canvas, picture, places, grid, size, {
      crossed: () => false,
      ink: context.color("--nn-dim"),
      selected: context.get("combine") === "head" ? context.get("head") : -1,
      accent: context.color("--nn-accent"),
    });
  };
  const repaint = () => {
    const heads = chosenHeads(context);
    if (heads) paint(heads);
    draw();
  };
  const at = (event: MouseEvent) => {
    const heads = chosenHeads(context);
    return heads && grid ? pointedAt(canvas, event, grid, heads.heads, size) : null;
  };
  context.listen(canvas, "pointermove", (event) => {
    const found = at(event);
    say(reading, found ? t("head {head}", { head: found.index }) : "");
  });
  context.listen(canvas, "pointerleave", () => say(reading, ""));
  context.listen(canvas, "click", (event) => {
    const found = at(event);
    if (found) context.set({ head: found.index, combine: "head" });
  });
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    if (!grid || !isMove(event.key)) return;
    event.preventDefault();
    const to = placeByKey(event.key, context.get("head"), grid.columns, places.length);
    if (to !== null) context.set({ head: to, combine: "head" });
  });
  context.watch(["attention_layers", "attention_layer"], () => {
    const chosen = context.get("attention_layer");
    layers.select.replaceChildren(
      ...context.get("attention_layers").map(({ layer, module, cross }, number) => {
        const words = `${number} · ${module || layer}${cross ? ` · ${t("cross")}` : ""}`;
        const option = h("option", { value: layer }, words);
        option.disabled = held !== null && layer !== chosen && !held.includes(layer);
        return option;
      }),
    );
    layers.select.value = chosen;
  });
  context.watch(["attention"], repaint);
  context.watch(["head", "combine"], draw);
  context.watch(["attention", "head", "combine"], () => {
    const heads = chosenHeads(context);
    if (!heads) return;
    const words = plural("{count} head", "{count} heads", heads.heads);
    say(title, words);
    title.title = heads.payload.layer;
    combine.select.value = context.get("combine");
    canvas.setAttribute(
      "aria-label",
      t("{heads}; head {head} is selected", { heads: words, head: context.get("head") }),
    );
    canvas.title = t("click a tile to choose the head; queries downwards, keys to the right");
  });
  context.watch(["attention_layer", "attention"], () =>
    canvas.classList.toggle("nn-stale", chosenHeads(context)?.payload.layer !== context.get("attention_layer")),
  );
  context.onTheme(repaint);
  onResize(context, stage, () => {
    [width, height] = [stage.clientWidth, stage.clientHeight || height];
    repaint();
  });
  const tools = toolbar([!context.hides("layer") && layers, !context.hides("combine") && combine]);
  return h(
    "div",
    { class: "nn-grows" },
    h("div", { class: "nn-head" }, title, tools),
    stage,
    h("div", { class: "nn-head" }, scale.element, reading),
  );
}
