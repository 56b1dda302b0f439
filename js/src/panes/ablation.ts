// Does the unit matter? The classes with and without it, of this image and over a data set.

import { type Context, NEEDS_KERNEL } from "../lib/context.ts";
import { choice, h, say } from "../lib/dom.ts";
import { percent, signed } from "../lib/format.ts";
import { amount } from "../lib/meaning.ts";
import type { Scene } from "../lib/scene.ts";
import { heldWords } from "./links.ts";

export function ablationPane(context: Context, scene: Scene): HTMLElement {
  const list = h("div", { class: "nn-bars" });
  const verdict = h("div", { "aria-live": "polite" });
  const over = h("div", { class: "nn-links" });
  const overWords = h("div", { class: "nn-soft", "aria-live": "polite" });
  const progress = h("progress", { max: 1, hidden: true });
  const instead = choice(
    "put in its place",
    [
      ["zero", "0"],
      ["mean", "its mean here"],
    ],
    (value) => context.set({ instead: value }),
  );
  const all = h("button", { type: "button" }, "over the data set");
  const running = () => Boolean(context.get("ablated_all")?.running);
  context.listen(all, "click", () =>
    running()
      ? context.set({ ablate_stop: context.get<number>("ablate_stop") + 1 })
      : context.set({ ablate_all: context.get<number>("ablate_all") + 1 }),
  );
  if (!context.live) {
    const held = context.choices("instead") ?? [];
    for (const option of instead.select.options) option.disabled = !held.includes(option.value);
    all.disabled = true;
    all.title = NEEDS_KERNEL;
  }

  const draw = () => {
    const found = context.get("ablated");
    const mine = scene.isOfUnit(found);
    list.classList.toggle("nn-stale", !mine || found.instead !== context.get("instead"));
    instead.select.value = context.get("instead");
    if (found?.error && mine) {
      list.replaceChildren();
      say(verdict, found.error);
      return;
    }
    if (!found?.classes) return;
    if (!context.live && !mine) {
      list.replaceChildren();
      say(verdict, heldWords(found));
      return;
    }
    list.replaceChildren(
      ...found.classes.map((index: number, place: number) => {
        const [before, after] = [found.clean[place], found.probability[place]];
        const [clean, now] = [h("span", { class: "nn-clean" }), h("span", { class: "nn-now" })];
        clean.style.left = `${before * 100}%`;
        now.style.width = `${after * 100}%`;
        return h(
          "div",
          { class: "nn-bar" },
          h("span", { class: "nn-name", title: scene.label(index) }, scene.label(index)),
          h("span", { class: "nn-track" }, now, clean),
          h("span", { class: "nn-number" }, `${amount(context, before)} → ${amount(context, after)}`),
        );
      }),
    );
    const most = found.clean
      .map((before: number, place: number) => [found.classes[place], found.probability[place] - before])
      .reduce((one: number[], other: number[]) => (Math.abs(other[1]) > Math.abs(one[1]) ? other : one));
    const top = (shares: number[]) => scene.label(found.classes[shares.indexOf(Math.max(...shares))]);
    const first = found.turned
      ? `without it ${top(found.probability)} is on top, not ${top(found.clean)}`
      : `without it ${top(found.clean)} stays on top`;
    const moved = Math.abs(most[1]) < 0.005 ? "nothing moves by half a percent" : `${scene.label(most[0])} moves most, by ${signed(most[1])}`;
    say(verdict, `${first}; ${moved}`);
  };

  const drawAll = () => {
    const found = context.get("ablated_all");
    const mine = scene.isOfUnit(found);
    progress.hidden = !running();
    say(all, running() ? "stop" : "over the data set");
    if (context.live) all.disabled = !running() && !context.get("collection")?.total;
    if (context.live) all.title = all.disabled ? "lens.examples(dataset, layers=[…]) brings a data set" : "";
    over.hidden = overWords.hidden = !found?.total || !mine;
    if (!mine || !found.total) return;
    progress.value = (found.done ?? 0) / found.total;
    if (found.error) {
      say(overWords, found.error);
      return;
    }
    if (!found.seen) return;
    const of = found.done < found.total ? `${found.done} of ${found.total} images so far` : `${found.seen} images`;
    say(overWords, `${of}: another class on top in ${found.turned} (${percent(found.turned / found.seen)}); mean change of the probability:`);
    over.replaceChildren(
      ...found.classes.map(([index, change]: [number, number]) =>
        h("div", { class: "nn-row" }, h("span", { class: "nn-grow nn-name" }, scene.label(index)), signed(change, 4)),
      ),
    );
  };
  context.watch(["ablated", "layer", "unit", "labels", "instead"], draw);
  context.watch(["ablated_all", "collection", "layer", "unit", "labels"], drawAll);
  return h(
    "div",
    {},
    h("h4", {}, "does it matter?"),
    h("div", { class: "nn-row" }, instead, all, progress),
    list,
    verdict,
    overWords,
    over,
  );
}
