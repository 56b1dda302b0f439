// The classes of both sides: two bars each, and how they differ. Click one to make it the target.

import type { Context } from "../../model/context.ts";
import { experimentOf } from "../../model/experiment.ts";
import { amount, difference, isProbability } from "../../model/meaning.ts";
import type { Scene } from "../../model/scene.ts";
import { h } from "../../ui/dom.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

export function comparedBarsPane(first: Context, second: Context, scene: Scene, sides: Scene[]): HTMLElement {
  const list = h("div", { class: "nn-bars" });

  const draw = () => {
    const { classes } = first.get("scores");
    const scores = [first, second].map((side) => side.get("scores"));
    const all = scores.flatMap(({ probability }) => probability.map((value) => Math.abs(value ?? 0)));
    const most = isProbability(first) ? 1 : Math.max(1e-12, ...all);
    list.replaceChildren(
      ...classes.map((index) => {
        const clean = scores.map(({ classes: known, probability }) => probability[known.indexOf(index)] ?? null);
        const now = sides.map((side, at) => experimentOf(side).hiddenScores?.score(index, "probability") ?? clean[at]);
        const by = now[0] === null || now[1] === null ? "" : difference(first, now[1] - now[0]);
        const tracks = now.map((value) => {
          const bar = h("span", { class: "nn-now" });
          bar.style.width = `${Math.min(1, Math.abs(value ?? 0) / most) * 100}%`;
          return h("span", { class: "nn-track" }, bar);
        });
        return h(
          "button",
          {
            type: "button",
            class: "nn-bar nn-compared",
            "aria-pressed": String(index === scene.target),
            onclick: () => first.set({ target: index }),
          },
          h("span", { class: "nn-name", title: scene.label(index) }, scene.label(index)),
          h("span", { class: "nn-number" }, `${amount(first, now[0])}, ${amount(first, now[1])} (${by})`),
          ...tracks,
        );
      }),
    );
  };
  first.watch(
    [
      "scores",
      "second_scores",
      "labels",
      "target",
      "meaning",
      "occluder",
      "occluded",
      "second_occluded",
      "size",
      "fill",
    ],
    draw,
  );
  return h(
    "div",
    {},
    heading(t("classes")),
    list,
    h("div", { class: "nn-soft" }, t("first side, second side (difference)")),
  );
}
