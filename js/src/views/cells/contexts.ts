// Find the text: where in a long text the chosen cell is highest and lowest, and where it reaches the threshold.

import { colorOf, css, inkOn } from "../../draw/colors.ts";
import { f32, i32 } from "../../model/arrays.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { cellLimits, cellsOf } from "../../model/tokens.ts";
import type { Context as Place } from "../../model/traits.ts";
import { h, say } from "../../ui/dom.ts";
import { percent, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";
import { workLine } from "../../ui/work.ts";

function groupName(group: string, context: Context): string {
  const threshold = context.get("threshold");
  const names: Record<string, string> = {
    above: t("reaches {value}", { value: threshold === null ? "" : short(threshold) }),
    top: t("highest"),
    middle: t("in the middle"),
    least: t("lowest"),
  };
  return names[group] ?? group;
}

export function contextsPane(context: Context, scene: Scene): HTMLElement {
  const title = heading(t("in the long text"));
  const list = h("div", {
    class: "nn-contexts nn-scroll",
    tabindex: 0,
    role: "group",
    "aria-label": t("contexts in the long text"),
  });
  const words = h("div", { class: "nn-soft" });
  const work = workLine(
    () => context.request("cancel"),
    () => context.request("resume"),
  );
  const line = h("div", { class: "nn-now-line" }, ...work.parts);
  const body = h("div", { class: "nn-grows" }, h("div", { class: "nn-head" }, title), line, words, list);

  const snippet = (place: Place): HTMLElement => {
    const [starts, ends, values] = [i32(place.starts), i32(place.ends), f32(place.data)];
    const cells = cellsOf(context.get("cells"));
    const line = h("div", { class: "nn-context" });
    if (!cells) return line;
    const unit = context.get("unit");
    // The range of the cell in both texts: this place may be beyond what the text above reaches.
    const own = cellLimits(context, cells, unit);
    const most = Math.max(Math.abs(own[0]), own[1], ...values.map(Math.abs));
    const limits: [number, number] = own[0] < 0 ? [-most, most] : [0, most];
    const table = scene.table(limits);
    for (let at = 0; at < values.length; at++) {
      const piece = place.text.slice(starts[at], ends[at]).replaceAll("\n", "↵").replaceAll("\t", "⇥");
      const color = colorOf(values[at], limits, table);
      const style = `background:${css(color)};color:${inkOn(color)}`;
      line.append(h("span", { style }, piece));
    }
    return line;
  };
  const draw = () => {
    body.hidden = !context.get("has_corpus");
    const found = context.get("contexts");
    const current = found?.layer === context.get("layer") && found?.unit === context.get("unit");
    list.classList.toggle("nn-stale", !current);
    const share = found?.done ?? 0;
    const running = context.live && share < 1 && context.get("busy") !== "";
    line.hidden = !context.live || share >= 1;
    work.show({
      words: t("{share} read", { share: percent(share) }),
      share,
      running,
      canContinue: context.live && share < 1,
    });
    if (!found) {
      say(words, context.live ? t("reading…") : needsKernel());
      return;
    }
    const parts = [found.problem || found.words];
    if (context.get("threshold") !== null)
      parts.push(
        found.exact
          ? plural(
              "the threshold is reached in {count} window",
              "the threshold is reached in {count} windows",
              found.count,
            )
          : t("the threshold is reached in about {count} windows", { count: found.count }),
      );
    say(words, parts.join(" · "));
    const made: HTMLElement[] = [];
    let group = "";
    for (const place of found.rows) {
      if (place.group !== group) made.push(h("div", { class: "nn-soft" }, groupName(place.group, context)));
      group = place.group;
      const button = h(
        "button",
        {
          type: "button",
          class: "nn-context-line",
          title: t("{value} after place {place}; click to read this part above", {
            value: short(place.value),
            place: place.place,
          }),
          onclick: () => context.set({ typed: { text: place.text } }, false),
        },
        h("span", { class: "nn-number" }, short(place.value)),
        snippet(place),
      );
      button.disabled = !context.live;
      made.push(button);
    }
    list.replaceChildren(...made);
  };
  context.watch(["contexts", "has_corpus", "busy", "layer", "unit", "threshold", "cells", "scale"], draw);
  context.onTheme(draw);
  return body;
}
