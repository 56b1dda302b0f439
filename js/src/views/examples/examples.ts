// The unit's highest, middle and lowest images in a data set, and how its maxima are distributed.

import { u8 } from "../../model/arrays.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { hasFailed } from "../../model/selected.ts";
import type { ExampleItem, ExamplesPayload, Traits } from "../../model/traits.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, pictured, say, sized } from "../../ui/dom.ts";
import { percent, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";
import { heldWords } from "../../ui/unit_links.ts";
import { showDataWork, workLine } from "../../ui/work.ts";

const [WIDTH, HEIGHT] = [240, 56];
const CODE = "lens.examples(dataset, layers=[…])";

/** `number` is the field to choose another unit, where the view has no other. */
export function examplesPane(context: Context, scene: Scene, number: HTMLElement | null = null): HTMLElement {
  const title = heading();
  const gallery = h("div", { class: "nn-gallery" });
  const empty = h("div", { class: "nn-soft nn-empty" });
  const words = h("div", { class: "nn-soft", "aria-live": "polite" });
  const work = workLine(
    () => context.set({ search_request: "stop" }),
    () => context.set({ search_request: "run" }),
  );
  const canvas = h("canvas", { class: "nn-curve", role: "img" });
  const kind = choice(
    "",
    [
      ["top", t("top: the largest")],
      ["median", t("median: the middle")],
      ["bottom", t("bottom: the smallest")],
    ],
    (value) => context.set({ kind: value }),
  );
  kind.select.setAttribute("aria-label", t("which images"));
  const crop = choice(
    t("show"),
    [
      ["field", t("what the unit sees")],
      ["whole", t("whole")],
      ["deconvnet", t("deconvnet")],
    ],
    (value) => context.set({ crop: value }),
  );
  if (!context.live) {
    const held = context.choices("kind") ?? [];
    for (const option of kind.select.options) option.disabled = !held.includes(option.value);
  }

  const draw = () => {
    const payload = context.get("examples");
    const mine = scene.selected.is(payload);
    const results = payload && "items" in payload ? payload : null;
    kind.select.value = context.get("kind");
    crop.select.value = context.get("crop");
    say(title, t("examples of {unit}", { unit: `${context.get("layer")} · ${context.get("unit")}` }));
    gallery.classList.toggle("nn-stale", !mine || results?.kind !== context.get("kind"));
    const message = reason(payload, mine);
    say(empty, message);
    empty.hidden = !message;
    gallery.hidden = Boolean(message) || !results;
    canvas.hidden = words.hidden = gallery.hidden;
    if (gallery.hidden || !results) return;
    const shown = context.get("crop");
    gallery.replaceChildren(...results.items.map((item) => figure(item, shown)));
    say(
      words,
      plural(
        "{count} image; active in {active}, mean {mean}, {zeros} of its values are 0",
        "{count} images; active in {active}, mean {mean}, {zeros} of its values are 0",
        results.seen,
        {
          count: results.seen,
          active: percent(results.active),
          mean: short(results.mean),
          zeros: percent(results.zeros),
        },
      ),
    );
    if (mine) drawDistribution(results);
  };

  /** Why there are no examples; "" where there are. */
  const reason = (payload: Traits["examples"], mine: boolean): string => {
    if (!context.get("search")?.total)
      return t("No data set yet: {code}, in another cell, searches one, and its best images appear here.", {
        code: CODE,
      });
    if (mine && payload && "searched" in payload)
      return t("The data set was searched for {layers}; {code} searches for other layers.", {
        layers: payload.searched,
        code: CODE,
      });
    if (!context.live && !mine) return heldWords(payload);
    return mine && hasFailed(payload) ? payload.error : "";
  };

  const figure = (item: ExampleItem, shown: Traits["crop"]) => {
    const value = h("span", {}, short(item.value));
    const name = item.label ? `${item.name}, ${item.label}` : item.name;
    const words = t("{name}: maximum {value} at ({position}), larger than in {share} of the images", {
      name,
      value: short(item.value),
      position: item.position.join(", "),
      share: percent(item.rank),
    });
    const side = 104;
    const picture = h("canvas", { role: "img", "aria-label": words });
    const own = shown === "deconvnet" ? item.back : shown === "field" ? item.field : null;
    const image = pictured(u8(own || item.whole), () => {
      const [top, left, bottom, right] = item.box;
      const scale = image.naturalWidth / item.width; // a large one is sent reduced
      const part =
        shown === "field" && !own
          ? [left * scale, top * scale, (right - left + 1) * scale, (bottom - top + 1) * scale]
          : null;
      const [sx, sy, width, height] = part ?? [0, 0, image.naturalWidth, image.naturalHeight];
      const fit = side / Math.max(width, height);
      const pen = sized(picture, side, side);
      pen.imageSmoothingEnabled = fit < 1;
      pen.drawImage(
        image,
        sx,
        sy,
        width,
        height,
        (side - width * fit) / 2,
        (side - height * fit) / 2,
        width * fit,
        height * fit,
      );
      if (shown !== "whole") return;
      pen.strokeStyle = "#fff";
      pen.lineWidth = 2.5;
      const by = scale * fit;
      const box: [number, number, number, number] = [
        left * by,
        top * by,
        (right - left + 1) * by,
        (bottom - top + 1) * by,
      ];
      pen.strokeRect(...box);
      pen.strokeStyle = "#000";
      pen.lineWidth = 1;
      pen.strokeRect(...box);
    });
    const look = h(
      "button",
      { type: "button", "aria-label": t("look at {name}", { name: item.name }), disabled: !context.live },
      picture,
    );
    context.listen(look, "click", () => context.set({ example_request: item.item }));
    return h(
      "figure",
      {
        title: shown === "deconvnet" && !item.back ? (item.why ?? words) : t("{words}; click to look at it", { words }),
      },
      look,
      h("figcaption", {}, value, h("span", { class: "nn-soft nn-name" }, item.label || item.name)),
    );
  };

  /** How many images have which maximum, from the quantiles, with this image's beside it. */
  const drawDistribution = (results: ExamplesPayload) => {
    const { quantiles } = results;
    const mosaic = scene.layer.mosaic;
    const here = mosaic && mosaic.layer === results.layer ? mosaic.high[results.unit] : null;
    const [low, high] = [quantiles[0], quantiles[quantiles.length - 1]];
    const [from, to] = [Math.min(low, here ?? low), Math.max(high, here ?? high, low + 1e-9)];
    const pen = sized(canvas, WIDTH, HEIGHT);
    const ink = (name: string) => context.color(name);
    const [top, bottom] = [14, HEIGHT - 18];
    const x = (value: number) => 6 + ((value - from) / (to - from)) * (WIDTH - 12);
    const bins = new Float32Array(32);
    // Each step between two quantiles holds as many images, spread evenly over the bins that it covers.
    for (let at = 1; at < quantiles.length; at++) {
      const [a, b] = [quantiles[at - 1], quantiles[at]].map((value) => ((value - from) / (to - from)) * bins.length);
      for (let bin = Math.min(31, Math.floor(a)); bin <= Math.min(31, Math.floor(b)); bin++) {
        const part = b > a ? Math.max(0, Math.min(b, bin + 1) - Math.max(a, bin)) / (b - a) : 1;
        bins[bin] += part / (quantiles.length - 1);
      }
    }
    const most = Math.max(...bins);
    pen.fillStyle = ink("--nn-bar");
    bins.forEach((share, bin) => {
      const [left, right] = [6 + (bin / 32) * (WIDTH - 12), 6 + ((bin + 1) / 32) * (WIDTH - 12)];
      const height = (share / most) * (bottom - top);
      pen.fillRect(left, bottom - height, right - left - 1, height);
    });
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = ink("--nn-dim");
    pen.textBaseline = "top";
    for (const [share, align] of [
      [0, "left"],
      [0.5, "center"],
      [1, "right"],
    ] as const) {
      pen.textAlign = align;
      pen.fillText(short(from + share * (to - from)), 6 + share * (WIDTH - 12), bottom + 4);
    }
    if (here !== null) {
      pen.strokeStyle = pen.fillStyle = ink("--nn-accent");
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.moveTo(x(here), top);
      pen.lineTo(x(here), bottom);
      pen.stroke();
      pen.textAlign = x(here) > WIDTH / 2 ? "right" : "left";
      pen.fillText(t("this image {value}", { value: short(here) }), x(here) + (x(here) > WIDTH / 2 ? 4 : -4), 0);
    }
    canvas.setAttribute(
      "aria-label",
      t("maxima over the data set: from {low} to {high}, half of them below {middle}", {
        low: short(low),
        high: short(high),
        middle: short(quantiles[20]),
      }),
    );
    canvas.title = t("how many images have which maximum");
  };

  const tell = () => {
    const search = context.get("search");
    if (!search?.total) {
      work.show({ words: "", share: null, running: false });
      return;
    }
    const { done, total, remaining, running, skipped, error } = search;
    const images = t("{done} of {total} images", { done, total });
    showDataWork(work, {
      // A search that is complete needs no line of its own, unless something is missing.
      words: error || (running || done < total || skipped.length ? images : ""),
      share: done / total,
      running,
      canContinue: context.live && done < total,
      remaining,
      skipped,
    });
  };
  context.watch(["search"], tell);
  context.watch(["examples", "search", "kind", "crop", "layer", "unit", "mosaic"], draw);
  context.onTheme(draw);
  tell();
  return h(
    "div",
    { class: "nn-examples-pane" },
    h("div", { class: "nn-head" }, title, toolbar([number, kind, crop])),
    empty,
    gallery,
    h("div", { class: "nn-head" }, words, canvas),
    h("div", { class: "nn-now-line" }, ...work.parts),
  );
}
