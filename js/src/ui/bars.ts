// The most probable classes, as they are and under the occluder. Click one to make it the target.

import type { Context, TraitName } from "../model/context.ts";
import { experimentOf } from "../model/experiment.ts";
import { amount, isProbability, meaningOf } from "../model/meaning.ts";
import type { Scene } from "../model/scene.ts";
import { toolbar } from "./controls.ts";
import { h, say, uniqueId } from "./dom.ts";
import { meaningControls } from "./meaning.ts";
import { heading } from "./pane.ts";
import { t } from "./text.ts";

export function barsPane(context: Context, scene: Scene): HTMLElement {
  const list = h("div", { class: "nn-bars" });
  const top = h("div", { class: "nn-soft nn-name nn-one-line" });
  const id = uniqueId();
  const names = h("datalist", { id });
  const search = h("input", {
    list: id,
    type: "search",
    placeholder: t("another class…"),
    "aria-label": t("another class as the target"),
  });
  context.listen(search, "change", () => {
    const wanted = search.value.trim().toLowerCase();
    const index = context.get("labels").findIndex((name) => name.toLowerCase() === wanted);
    if (index >= 0) context.set({ target: index });
    search.setCustomValidity(index >= 0 || !wanted ? "" : t('no class is called "{name}"', { name: search.value }));
    if (!search.reportValidity()) return;
    search.value = "";
  });
  let rows: { button: HTMLButtonElement; clean: HTMLElement; now: HTMLElement; words: HTMLElement }[] = [];

  context.watch(["scores", "labels"], () => {
    const { classes } = context.get("scores");
    rows = classes.map((index) => {
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
      names.replaceChildren(...context.get("labels").map((value) => h("option", { value })));
    }
  });
  const hiding: TraitName[] = [
    ...(["occluder", "occluded", "mask", "masked", "occlusion_map", "size", "fill", "shape"] as const),
    ...(["switched_off", "switched_scores", "row"] as const),
  ];
  context.watch(["scores", "target", "meaning", ...hiding], () => {
    const { classes, probability } = context.get("scores");
    // Probabilities fill their bar at 1, quantities at the largest that is shown.
    const most = isProbability(context) ? 1 : Math.max(1e-12, ...probability.map((value) => Math.abs(value ?? 0)));
    const part = (value: number | null) => `${Math.min(1, Math.abs(value ?? 0) / most) * 100}%`;
    const under = experimentOf(scene).hiddenScores;
    const waiting = experimentOf(scene).isHiding && !under;
    classes.forEach((index, slot) => {
      const row = rows[slot];
      if (!row) return;
      const now = under?.score(index, "probability") ?? probability[slot];
      row.clean.style.left = part(probability[slot]);
      row.now.style.width = part(now);
      const words = amount(context, now);
      say(row.words, under ? `${amount(context, probability[slot])} → ${words}` : words);
      row.button.setAttribute("aria-pressed", String(index === scene.target));
      row.button.classList.toggle("nn-stale", waiting);
    });
    say(
      top,
      under && !classes.includes(under.top)
        ? t("now: {label} {score}", { label: scene.label(under.top), score: amount(context, under.topShare) })
        : "",
    );
    top.hidden = meaningOf(context).task === "regression";
  });
  const searching = context.live && !context.hides("search") && context.get("labels").length > 1;
  const meaning = meaningControls(context);
  const tools = toolbar([searching && search, searching && names], meaning.controls);
  return h("div", {}, heading(t("classes")), list, top, meaning.words, tools);
}
