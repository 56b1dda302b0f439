// The most probable classes, as they are and under the occluder. Click one to make it the target.

import { type Context, NEEDS_KERNEL } from "../lib/context.ts";
import { h, say, uniqueId } from "../lib/dom.ts";
import { share } from "../lib/format.ts";
import type { Scene } from "../lib/scene.ts";

export function barsPane(context: Context, scene: Scene): HTMLElement {
  const list = h("div", { class: "nn-bars" });
  const top = h("div", { class: "nn-soft" });
  const id = uniqueId();
  const names = h("datalist", { id });
  const search = h("input", {
    list: id,
    placeholder: "another class…",
    "aria-label": "another class as the target",
  });
  context.listen(search, "change", () => {
    const wanted = search.value.trim().toLowerCase();
    const index = context.get<string[]>("labels").findIndex((name) => name.toLowerCase() === wanted);
    if (index >= 0) context.set({ target: index });
    search.setCustomValidity(index >= 0 || !wanted ? "" : `no class is called "${search.value}"`);
    if (!search.reportValidity()) return;
    search.value = "";
  });
  if (!context.live) {
    search.disabled = true;
    search.title = NEEDS_KERNEL;
  }
  let rows: { button: HTMLButtonElement; clean: HTMLElement; now: HTMLElement; words: HTMLElement }[] = [];

  context.watch(["scores", "labels"], () => {
    const { classes } = context.get("scores");
    rows = classes.map((index: number) => {
      const [clean, now] = [h("span", { class: "nn-clean" }), h("span", { class: "nn-now" })];
      const words = h("span", { class: "nn-number" });
      const button = h(
        "button",
        { type: "button", class: "nn-bar", onclick: () => context.set({ target: index }) },
        h("span", { class: "nn-name", title: scene.label(index) }, scene.label(index)),
        h("span", { class: "nn-track" }, now, clean),
        words,
      );
      return { button, clean, now, words };
    });
    list.replaceChildren(...rows.map((row) => row.button));
    if (names.childElementCount !== context.get("labels").length) {
      names.replaceChildren(...context.get<string[]>("labels").map((value) => h("option", { value })));
    }
  });
  const under = ["occluder", "occluded", "mask", "masked", "heatmap", "size", "fill", "shape", "off", "switched", "row"];
  context.watch(["scores", "target", ...under], () => {
    const { classes, probability } = context.get("scores");
    const under = scene.underOccluder;
    const waiting = Boolean(context.get("occluder") || context.get("mask") || (context.get("off")?.length && !context.get("rows")?.[context.get("row")]?.photo)) && !under;
    classes.forEach((index: number, place: number) => {
      const row = rows[place];
      if (!row) return;
      const now = under?.score(index, "probability") ?? probability[place];
      row.clean.style.left = `${probability[place] * 100}%`;
      row.now.style.width = `${now * 100}%`;
      say(row.words, under ? `${share(probability[place])} → ${share(now)}` : share(now));
      row.button.setAttribute("aria-pressed", String(index === scene.target));
      row.button.classList.toggle("nn-stale", waiting);
    });
    say(
      top,
      under && !classes.includes(under.top) ? `now: ${scene.label(under.top)} ${share(under.topShare)}` : "",
    );
  });
  return h("div", {}, list, top, h("div", { class: "nn-row" }, search, names));
}
