// Which channels matter: the change of the target's score with each of them hidden, and with several hidden together.

import { type Context, needsKernel } from "../../model/context.ts";
import { amount, difference } from "../../model/meaning.ts";
import type { Scene } from "../../model/scene.ts";
import { toggle } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { heading } from "../../ui/pane.ts";
import { channelName } from "../../ui/place.ts";
import { t } from "../../ui/text.ts";

const LISTED = 12;

export function channelsPane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const list = h("div", { class: "nn-channels" });
  const together = h("div", { class: "nn-reading", "aria-live": "polite" });
  const note = h("div", { class: "nn-soft" });
  let shownAll = false;
  const all = toggle(t("all channels"), (on) => {
    shownAll = on;
    all.on(on);
    draw();
  });
  const pane = h("div", {}, title, list, together, h("div", { class: "nn-row" }, note, all));

  /** The score of the target in a payload of several classes. */
  const of = (classes: number[], values: (number | null)[]) => values[classes.indexOf(scene.target)] ?? Number.NaN;
  const hide = (channel: number, on: boolean) => {
    const hidden = (context.get("hidden_channels") ?? []).filter((item) => item !== channel);
    context.set({ hidden_channels: on ? [...hidden, channel].sort((a, b) => a - b) : hidden });
  };

  const draw = () => {
    const sent = context.get("channel_scores") ?? null;
    pane.hidden = !sent;
    if (!sent) return;
    say(title, t("without a channel · {label}", { label: scene.label(scene.target) }));
    const { classes, probability } = context.get("scores");
    const clean = of(classes, probability);
    const after = sent.probability[sent.classes.indexOf(scene.target)] ?? [];
    const changes = after.map((value, channel) => ({ channel, change: (value ?? Number.NaN) - clean }));
    const order = [...changes].sort((a, b) => (Math.abs(b.change) || 0) - (Math.abs(a.change) || 0));
    const listed = shownAll ? changes : order.slice(0, LISTED);
    const reach = Math.max(1e-12, Math.abs(order[0]?.change) || 0);
    const hidden = context.get("hidden_channels") ?? [];
    list.replaceChildren(
      ...listed.map(({ channel, change }) => {
        const bar = h("span", { class: change < 0 ? "nn-less" : "nn-more" });
        bar.style.cssText = `width:${(50 * (Math.abs(change) || 0)) / reach}%;${change < 0 ? "right:50%" : "left:50%"}`;
        const box = h("input", { type: "checkbox" });
        box.checked = hidden.includes(channel);
        box.disabled = !context.live;
        box.addEventListener("change", () => hide(channel, box.checked));
        return h(
          "label",
          {
            class: "nn-link",
            title: context.live ? t("hide it together with the others that are marked") : needsKernel(),
          },
          h("span", { class: "nn-name" }, box, channelName(context, channel)),
          h("span", { class: "nn-balance" }, bar),
          h("span", { class: "nn-number" }, difference(context, change)),
        );
      }),
    );
    all.hidden = sent.count <= LISTED;
    const others = sent.count > LISTED && !shownAll ? t("the {count} with the largest effect", { count: LISTED }) : "";
    say(note, [t("each replaced by its mean; blue: the score falls without it"), others].filter(Boolean).join("; "));
    const group = context.get("without_channels") ?? null;
    const current = group && String(group.channels) === String(hidden);
    together.hidden = !hidden.length || !group;
    together.classList.toggle("nn-stale", !current);
    if (!group) return;
    const names = group.channels.map((channel) => channelName(context, channel)).join(", ");
    const [before, now] = [amount(context, clean), amount(context, of(group.classes, group.probability))];
    say(
      together,
      t("without {channels}: {label} {before} → {now}", {
        channels: names,
        label: scene.label(scene.target),
        before,
        now,
      }),
    );
  };
  context.watch(
    ["channel_scores", "without_channels", "hidden_channels", "scores", "target", "labels", "meaning", "photo"],
    draw,
  );
  return pane;
}
