// The inputs of a model that takes several: a click varies one. Slices of a volume; numbers to change.

import { u8 } from "../../model/arrays.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { InputPayload } from "../../model/traits.ts";
import { choice } from "../../ui/controls.ts";
import { h, pictured, say } from "../../ui/dom.ts";
import { shape, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

const axisNames = (): Record<string, string> => ({ d: t("depth"), h: t("height"), w: t("width"), t: t("time") });

export function inputsPane(context: Context): HTMLElement {
  const list = h("div", { class: "nn-inputs-list" });
  const along = choice(t("slices along"), [], (axis) => context.set({ asked_slices: { along: axis } }));
  const first = h("input", { type: "range", min: 0, step: 1, "aria-label": t("slice") });
  const which = h("output", { class: "nn-number" });
  const slice = h(
    "label",
    { class: "nn-control nn-slider" },
    h("span", { class: "nn-label" }, t("slice")),
    first,
    which,
  );
  const count = h("input", {
    type: "number",
    class: "nn-short",
    min: 1,
    "aria-label": t("slices that are varied together"),
  });
  const together = h("label", { class: "nn-control" }, h("span", { class: "nn-label" }, t("varied together")), count);
  const slices = h("div", { class: "nn-toolbar" });
  const title = heading(t("inputs"));
  const pane = h("div", {}, title, list, slices);
  context.listen(first, "input", () => context.set({ asked_slices: { first: Number(first.value) } }));
  context.listen(count, "change", () => context.set({ asked_slices: { count: Math.round(Number(count.value)) } }));

  /** Sliders for the numbers of a vector: two standard steps around 0, or around the number where it is larger. */
  const numbers = (input: InputPayload, place: number): HTMLElement => {
    const rows = input.numbers!.map((value, at) => {
      const reach = Math.max(3, 2 * Math.abs(value));
      const own = input.number_names?.[at];
      const name = own ?? t("{name}, number {index}", { name: input.name, index: at });
      const slider = h("input", { type: "range", min: -reach, max: reach, step: "any", "aria-label": name });
      slider.value = String(value);
      slider.disabled = !context.live;
      const shown = h("output", { class: "nn-number" }, short(value));
      context.listen(slider, "input", () => {
        say(shown, short(Number(slider.value)));
        context.set({ held_number: { input: place, place: at, value: Number(Number(slider.value).toPrecision(4)) } });
      });
      return h(
        "label",
        { class: "nn-control nn-slider" },
        h("span", { class: "nn-label", title: own }, own ?? String(at)),
        slider,
        shown,
      );
    });
    return h("div", { class: "nn-input-numbers", role: "group", "aria-label": input.name }, ...rows);
  };

  let shown: unknown = null;
  context.watch(["inputs"], () => {
    const inputs = context.get("inputs") ?? [];
    // While a slider is moved, it stays where it is: only what lies around it is told.
    const form = JSON.stringify(inputs.map(({ name, shape: sizes, varied }) => [name, sizes, varied]));
    const busy = list.contains(document.activeElement) && document.activeElement instanceof HTMLInputElement;
    if (busy && form === shown) return;
    shown = form;
    list.replaceChildren(
      ...inputs.map((input, place) => {
        const choose = h("button", { type: "button", class: "nn-input", "aria-pressed": String(input.varied) });
        choose.disabled = input.kind === null || !context.live;
        choose.title = !context.live
          ? needsKernel()
          : input.kind === null
            ? t("it cannot be varied: it is not of floating-point numbers")
            : t("vary this input, and hold the others");
        const words = input.varied ? t("varied") : t("held");
        if (input.picture) {
          const image = pictured(u8(input.picture), () => {});
          image.alt = "";
          choose.append(image);
        }
        choose.append(
          h(
            "span",
            {},
            h("strong", {}, input.name),
            h("span", { class: "nn-soft" }, ` ${shape(input.shape)} · ${words}`),
          ),
        );
        context.listen(choose, "click", () => context.set({ varied_input: place }));
        return h("div", { class: "nn-input-of" }, choose, input.numbers ? numbers(input, place) : null);
      }),
    );
  });
  context.watch(["slices"], () => {
    const now = context.get("slices") ?? null;
    if (Boolean(now) !== slices.childElementCount > 0) slices.replaceChildren(...(now ? [along, slice, together] : []));
    if (!now) return;
    const names = axisNames();
    along.select.replaceChildren(...now.axes.map((axis) => h("option", { value: axis }, names[axis])));
    along.select.value = now.along;
    along.hidden = now.axes.length < 2;
    first.max = String(now.total - now.count);
    if (document.activeElement !== first) first.value = String(now.first);
    say(
      which,
      now.count > 1 ? `${now.first}–${now.first + now.count - 1} / ${now.total}` : `${now.first} / ${now.total}`,
    );
    count.max = String(now.total);
    count.value = String(now.count);
    for (const control of [along.select, first, count]) control.disabled = !context.live;
    slices.title = context.live ? "" : needsKernel();
  });
  context.watch(["inputs", "slices"], () => {
    pane.hidden = !(context.get("inputs") ?? []).length && !context.get("slices");
  });
  return pane;
}
