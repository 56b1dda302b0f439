// All filters of a weight as tiles.

import { colorOf } from "../../draw/colors.ts";
import { legend } from "../../draw/legend.ts";
import { drawTiles, isMove, placeByKey, pointedAt, tilePicture } from "../../draw/tile_canvas.ts";
import { type Grid, layout } from "../../draw/tiles.ts";
import { type Bank, bankOf, placesOf } from "../../model/bank.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, onResize, say } from "../../ui/dom.ts";
import { fixed, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";
import { weightChoice } from "../weights/choose.ts";

export function bankPane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const canvas = h("canvas", { class: "nn-mosaic", tabindex: 0, role: "application" });
  const empty = h("div", { class: "nn-soft nn-empty", hidden: true });
  const stage = h("div", { class: "nn-stage" }, canvas, empty);
  const reading = h("span", { class: "nn-soft nn-line nn-name nn-grow" });
  const facts = h("span", { class: "nn-soft nn-name" });
  const scale = legend();
  let grid: Grid | null = null;
  let places: Int32Array = new Int32Array();
  let picture: HTMLCanvasElement | null = null;
  let [width, height] = [480, 240];

  const sort = choice(
    t("sort"),
    [
      ["index", t("index")],
      ["norm", t("norm")],
      ["orientation", t("orientation")],
      ["frequency", t("frequency")],
      ["similarity", t("similarity")],
    ],
    (value) => context.set({ filter_order: value }),
  );
  const scaling = choice(
    t("scale"),
    [
      ["filter", t("per filter")],
      ["layer", t("per layer")],
    ],
    (value) => context.set({ filter_scale: value }),
  );
  const channel = h("input", { type: "number", class: "nn-short", min: 0, placeholder: t("all") });
  const channels = h("label", { class: "nn-control" }, h("span", { class: "nn-label" }, t("channel")), channel);
  channel.disabled = !context.live;
  channels.title = context.live
    ? t("which of the channels that the filters read is shown; empty for each filter's pattern")
    : needsKernel();
  context.listen(channel, "change", () =>
    context.set({ channel: channel.value === "" ? null : Math.max(0, Math.round(Number(channel.value))) }),
  );

  /** Paint all tiles, one canvas pixel per number. */
  const paint = (bank: Bank) => {
    places = placesOf(bank, context.get("filter_order"));
    grid = layout(bank.filters, bank.columns, bank.rows, width, height);
    const { rows, columns, planes } = bank;
    const perFilter = context.get("filter_scale") === "filter";
    const most = bank.peak.reduce((a, b) => Math.max(a, b), 0) || 1;
    const table = scene.table([-1, 1]);
    const size = rows * columns;
    picture = tilePicture(places, grid, bank, (filter, pixels, corner, across) => {
      const strength = (perFilter ? 1 : bank.peak[filter] / most) / 127;
      const start = filter * planes * size;
      for (let at = 0; at < size; at++) {
        const code = (plane: number) => bank.data[start + plane * size + at] * strength;
        const to = corner + Math.floor(at / columns) * across + (at % columns);
        if (planes === 3) {
          const [r, g, b] = [0, 1, 2].map((plane) => Math.round(127.5 + 127.5 * code(plane)));
          pixels[to] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
        } else pixels[to] = colorOf(code(0), [-1, 1], table);
      }
    });
    scale.element.hidden = planes === 3;
    scale.show(
      perFilter ? [-1, 1] : [-most, most],
      table,
      perFilter ? t("× each filter's own largest weight") : t("weight"),
    );
  };

  const draw = () => {
    const bank = bankOf(context);
    if (!bank || !grid || !picture) return;
    const dead = new Set(bank.dead);
    drawTiles(canvas, picture, places, grid, bank, {
      crossed: (filter) => dead.has(filter),
      ink: context.color("--nn-dim"),
      selected: context.get("filter"),
      accent: context.color("--nn-accent"),
    });
  };

  const numbers = (bank: Bank, filter: number): string => {
    const parts = [t("filter {filter}: norm {norm}", { filter, norm: short(bank.norm[filter]) })];
    if (bank.angle && bank.frequency && Number.isFinite(bank.angle[filter])) {
      parts.push(`${fixed(bank.angle[filter], 0)}°`);
      parts.push(t("{frequency} cycles per pixel", { frequency: short(bank.frequency[filter], 2) }));
    }
    if (bank.r_squared) parts.push(`R² ${fixed(bank.r_squared[filter], 2)}`);
    return parts.join(", ");
  };

  const tell = () => {
    const bank = bankOf(context);
    empty.hidden = Boolean(bank);
    canvas.hidden = !bank;
    say(empty, context.get("bank_problem"));
    if (!bank) return;
    say(title, t("filters of {name}", { name: bank.name }));
    title.title = [bank.label, ...bank.same_as].join(" = ");
    const parts = [
      plural("{count} filter", "{count} filters", bank.filters),
      bank.dead.length ? t("{count} dead", { count: bank.dead.length }) : "",
      bank.duplicates.length
        ? plural("{count} group of duplicates", "{count} groups of duplicates", bank.duplicates.length)
        : "",
    ];
    say(facts, parts.filter(Boolean).join(" · "));
    facts.title = bank.words;
    sort.select.value = context.get("filter_order");
    scaling.select.value = context.get("filter_scale");
    channel.value = context.get("channel") === null ? "" : String(context.get("channel"));
    channel.max = String(bank.reads - 1);
    channels.hidden = context.hides("channel") || bank.planes === 3 || bank.reads < 2 || bank.rows * bank.columns === 1;
    for (const option of sort.select.options)
      option.disabled = ["orientation", "frequency"].includes(option.value) && !bank.angle;
    canvas.setAttribute("aria-label", `${bank.words}. ${numbers(bank, context.get("filter"))}`);
  };

  const at = (event: MouseEvent): number | null => {
    const bank = bankOf(context);
    if (!bank || !grid) return null;
    const found = pointedAt(canvas, event, grid, bank.filters, bank);
    return found ? places[found.index] : null;
  };
  const held = context.live ? null : (context.choices("weight|filter") ?? []);
  const pick = (filter: number) => {
    if (held && !held.includes(`${context.get("weight")}|${filter}`)) return;
    context.set({ filter });
  };
  context.listen(canvas, "pointermove", (event) => {
    const bank = bankOf(context);
    const filter = at(event);
    say(reading, bank && filter !== null ? numbers(bank, filter) : "");
  });
  context.listen(canvas, "pointerleave", () => say(reading, ""));
  context.listen(canvas, "click", (event) => {
    const filter = at(event);
    if (filter !== null) pick(filter);
  });
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    if (!grid || !isMove(event.key)) return;
    event.preventDefault();
    say(reading, "");
    const to = placeByKey(event.key, places.indexOf(context.get("filter")), grid.columns, places.length);
    if (to !== null) pick(places[to]);
  });
  const repaint = () => {
    const bank = bankOf(context);
    if (bank) paint(bank);
    draw();
  };
  context.watch(["bank", "filter_order", "filter_scale"], repaint);
  context.watch(["filter"], draw);
  context.watch(["bank", "bank_problem", "filter", "filter_order", "filter_scale", "channel"], tell);
  context.watch(["weight", "bank"], () =>
    canvas.classList.toggle("nn-stale", bankOf(context)?.name !== context.get("weight")),
  );
  context.onTheme(repaint);
  onResize(context, stage, () => {
    [width, height] = [stage.clientWidth, stage.clientHeight || height];
    repaint();
  });
  const tools = toolbar([
    !context.hides("weight") && weightChoice(context),
    !context.hides("sort") && sort,
    !context.hides("scale") && scaling,
    channels,
  ]);
  return h(
    "div",
    { class: "nn-grows" },
    h("div", { class: "nn-head" }, title, tools),
    stage,
    h("div", { class: "nn-head" }, scale.element, facts, reading),
  );
}
