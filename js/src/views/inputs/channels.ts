// Which channel matters: the change of the target's score with each of them hidden.

import type { Context } from "../../model/context.ts";
import { difference } from "../../model/meaning.ts";
import type { Scene } from "../../model/scene.ts";
import { h, say } from "../../ui/dom.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

const LISTED = 12;

export function channelsPane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const list = h("div", { class: "nn-channels" });
  const note = h("div", { class: "nn-soft" });
  const pane = h("div", {}, title, list, note);
  const draw = () => {
    const sent = context.get("channel_scores") ?? null;
    pane.hidden = !sent;
    if (!sent) return;
    const label = scene.label(scene.target);
    say(title, t("without a channel · {label}", { label }));
    const { classes, probability } = context.get("scores");
    const clean = probability[classes.indexOf(scene.target)] ?? Number.NaN;
    const after = sent.probability[sent.classes.indexOf(scene.target)] ?? [];
    const changes = after.map((value, channel) => ({ channel, change: (value ?? Number.NaN) - clean }));
    const strongest = changes.sort((a, b) => Math.abs(b.change) - Math.abs(a.change)).slice(0, LISTED);
    const reach = Math.max(1e-12, ...strongest.map(({ change }) => Math.abs(change) || 0));
    list.replaceChildren(
      ...strongest.map(({ channel, change }) => {
        const bar = h("span", { class: change < 0 ? "nn-less" : "nn-more" });
        bar.style.cssText = `width:${(50 * (Math.abs(change) || 0)) / reach}%;${change < 0 ? "right:50%" : "left:50%"}`;
        return h(
          "div",
          { class: "nn-link" },
          h("span", { class: "nn-name" }, t("channel {index}", { index: channel })),
          h("span", { class: "nn-balance" }, bar),
          h("span", { class: "nn-number" }, difference(context, change)),
        );
      }),
    );
    const others = sent.count > LISTED ? t("the {count} with the largest effect", { count: LISTED }) : "";
    say(note, [t("each replaced by its mean; blue: the score falls without it"), others].filter(Boolean).join("; "));
  };
  context.watch(["channel_scores", "scores", "target", "labels", "meaning"], draw);
  return pane;
}
