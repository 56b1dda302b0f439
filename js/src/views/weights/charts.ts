// The chosen layer's charts, large enough to read.

import { base, distribution, type Frame, line, rose, ticks } from "../../draw/charts.ts";
import type { Context } from "../../model/context.ts";
import type { WeightRow } from "../../model/traits.ts";
import { h, say, sized } from "../../ui/dom.ts";
import { fixed, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";

const [WIDTH, HEIGHT] = [170, 100];

/** How strongly the filters prefer one direction, and two at right angles, with Rayleigh's p. */
function directionWords(row: WeightRow): string {
  const [one, two] = (row.uniformity ?? []).map(([length, p]) => `${fixed(length, 2)} (p ${short(p, 1)})`);
  return one ? t("0° right, 90° top; one: {one}, two axes: {two}", { one, two }) : t("0° at the right, 90° at the top");
}

export function chosenRow(context: Context): WeightRow | undefined {
  return context.get("weight_rows").find((row) => row.name === context.get("weight"));
}

export function chartsPane(context: Context): HTMLElement {
  const title = heading();
  const list = h("div", { class: "nn-tiles" });

  const chart = (words: string, about: string, draw: (frame: Frame) => void): HTMLElement => {
    const canvas = h("canvas", { role: "img", "aria-label": `${words}: ${about}` });
    const pen = sized(canvas, WIDTH, HEIGHT);
    canvas.style.width = `${WIDTH}px`;
    draw({ pen, width: WIDTH, height: HEIGHT, foot: 14, left: 0 });
    return h("figure", {}, h("figcaption", {}, words), canvas, h("div", { class: "nn-soft" }, about));
  };
  const draw = () => {
    const row = chosenRow(context);
    say(title, row ? `${row.name} · ${row.label}` : "");
    if (!row) {
      list.replaceChildren();
      return;
    }
    const { weights, norms, angles, frequencies, singular } = row;
    const pictures: HTMLElement[] = [];
    const spread = (name: string, about: string, distributed: WeightRow["weights"]) => {
      if (!distributed) return;
      pictures.push(
        chart(name, about, (frame) => {
          distribution(context, frame, distributed);
          ticks(context, frame, distributed.low, distributed.high);
        }),
      );
    };
    const beside = weights?.reference ? t("bars: this layer; line: the reference") : t("of this layer");
    spread(t("weights"), beside, weights);
    spread(t("norms of the filters"), plural("{count} filter", "{count} filters", row.filters), norms);
    if (angles)
      pictures.push(
        chart(t("directions of the filters"), directionWords(row), (frame) => rose(context, frame, angles)),
      );
    spread(t("frequencies of the filters"), t("cycles per pixel"), frequencies);
    if (singular) {
      const top = Math.max(singular.values[0], singular.threshold, ...(singular.reference ?? []));
      pictures.push(
        chart(t("singular values"), t("dashed: random, dotted: its limit; grey: reference"), (frame) => {
          base(context, frame);
          line(context, frame, singular.random, top, "--nn-ink", [4, 3]);
          if (singular.reference) line(context, frame, singular.reference, top, "--nn-dim");
          line(context, frame, singular.values, top, "--nn-bar");
          line(context, frame, [singular.threshold, singular.threshold], top, "--nn-accent", [1, 3]);
          ticks(context, frame, 1, singular.count);
          frame.pen.textAlign = "right";
          frame.pen.textBaseline = "top";
          frame.pen.fillText(short(top), frame.width, 0);
        }),
      );
    }
    list.replaceChildren(...pictures);
  };
  context.watch(["weight_rows", "weight"], draw);
  context.onTheme(draw);
  return h("div", {}, title, list);
}

/** What differs from the reference, in sentences, and what that does not show. */
export function findingsPane(context: Context): HTMLElement {
  const list = h("ul", { class: "nn-findings", "aria-live": "polite" });
  context.watch(["weight_rows", "weight"], () => {
    const row = chosenRow(context);
    list.replaceChildren(...(row?.findings ?? []).map((finding) => h("li", {}, finding)));
  });
  return h(
    "div",
    {},
    heading(t("what differs, by how much, how certain")),
    list,
    h("p", { class: "nn-soft" }, context.get("not_shown")),
  );
}
